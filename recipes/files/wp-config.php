<?php
// Written by Buildyard; changes made here are undone by the next build.
$buildyard_database = require '/srv/app/config/database.php';
define('DB_NAME', $buildyard_database['name']);
define('DB_USER', $buildyard_database['user']);
define('DB_PASSWORD', $buildyard_database['password']);
define('DB_HOST', $buildyard_database['host'] . ':' . $buildyard_database['port']);
define('MYSQL_CLIENT_FLAGS', $buildyard_database['flags']);
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
unset($buildyard_database);
$table_prefix = @PREFIX@;

@SALTS@
define('WP_HOME', @SITE@);
define('WP_SITEURL', @SITE@);
define('FORCE_SSL_ADMIN', true);
// code changes by a release, on all webservers at once, never from the admin pages of one of them
define('DISALLOW_FILE_MODS', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('WP_AUTO_UPDATE_CORE', false);
// cron of the system runs it, so that no visitor waits for it
define('DISABLE_WP_CRON', true);
define('FS_METHOD', 'direct');
define('WP_DEBUG', false);
define('WP_DEBUG_DISPLAY', false);

if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/../current/');
}
require_once ABSPATH . 'wp-settings.php';
