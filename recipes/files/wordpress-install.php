<?php
// Installs the site once, and later follows the answers: title, administrator's address, the site's own address.
//
// usage: php install.php check|apply    JSON on standard input: title, user, email, site, time_zone, placeholder,
//                                        owner, with apply also password
//
// What the answers said last is kept in the option buildyard_answers. A title that somebody changed on the admin pages
// stays; one that changed in the answers is applied. The administrator's password is set once. Content that does not
// bear the mark of this deployment (owner) comes from elsewhere, even when another deployment's mark is in it.
declare(strict_types=1);

if (PHP_SAPI !== 'cli') {
    exit(1);
}
require __DIR__ . '/rewrite.php';

/** In the place of the page that WordPress shows, with exit code 0, when it cannot go on. */
function buildyard_die(mixed $message): never
{
    $text = is_wp_error($message) ? $message->get_error_message() : (string) (is_scalar($message) ? $message : '');
    $text = html_entity_decode(strip_tags($text), ENT_QUOTES | ENT_HTML5, 'UTF-8');
    buildyard_fail('WordPress cannot go on: ' . mb_strimwidth(trim((string) preg_replace('/\s+/', ' ', $text)), 0, 300, '…'));
}

/** Ends with a reason; when the database cannot be used, that is it. */
function buildyard_fail(string $why): never
{
    $GLOBALS['buildyard_finished'] = true;
    $error = (string) mysqli_connect_error();
    if ($error !== '' && defined('DB_HOST')) {
        $why = 'the database at ' . DB_HOST . " cannot be used: $error";
    }
    fwrite(STDERR, "$why\n");
    exit(1);
}

/**
 * Of several webservers that get here at once one goes on, the others wait and find it done. WordPress itself must not be
 * loaded while another one makes its tables: of some that are there and some that are not it says that they are broken.
 *
 * @return mysqli the lock is this connection's own and ends with it
 */
function buildyard_alone(): mysqli
{
    $database = require '/srv/app/config/database.php';
    mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
    try {
        $link = mysqli_init();
        mysqli_options($link, MYSQLI_OPT_CONNECT_TIMEOUT, 10);
        mysqli_options($link, MYSQLI_OPT_READ_TIMEOUT, 130);
        mysqli_real_connect($link, $database['host'], $database['user'], $database['password'], $database['name'], $database['port'], null, $database['flags']);
        // names of locks are the whole server's: another site's there has another database
        $answer = mysqli_query($link, "SELECT GET_LOCK(CONCAT('buildyard-install-', DATABASE()), 120)");
        $mine = mysqli_fetch_row($answer) === ['1'];
    } catch (mysqli_sql_exception $error) {
        buildyard_fail("the database at {$database['host']}:{$database['port']} cannot be used: {$error->getMessage()}");
    }
    // WordPress has its own way with errors
    mysqli_report(MYSQLI_REPORT_OFF);
    if (!$mine) {
        buildyard_fail('another machine has been installing the site for two minutes');
    }
    return $link;
}

function buildyard_main(string $mode, array $wanted): int
{
    $installed = is_blog_installed();
    $password = $wanted['password'] ?? '';
    unset($wanted['password']);
    ksort($wanted);
    $before = $installed ? json_decode((string) get_option('buildyard_answers', ''), true) : null;
    if ($mode === 'check') {
        return $before === $wanted ? 0 : 1;
    }
    if ($password === '') {
        buildyard_fail("the administrator's password is missing");
    }
    if (!$installed) {
        // WordPress would mail the password around
        add_filter('pre_wp_mail', '__return_false');
        wp_install($wanted['title'], $wanted['user'], $wanted['email'], true, '', $password);
        update_option('timezone_string', $wanted['time_zone']);
        update_option('permalink_structure', '/%year%/%monthnum%/%day%/%postname%/');
        echo "installed\n";
    } elseif (($before['owner'] ?? '') !== $wanted['owner']) {
        buildyard_take_over($wanted, $password);
        echo "taken over\n";
    } else {
        foreach (['title' => 'blogname', 'email' => 'admin_email', 'time_zone' => 'timezone_string'] as $key => $option) {
            if (($before[$key] ?? null) !== $wanted[$key] && $wanted[$key] !== '') {
                update_option($option, $wanted[$key]);
                echo "$key changed\n";
            }
        }
        if (($before['site'] ?? $wanted['site']) !== $wanted['site']) {
            buildyard_rewrite($before['site'], $wanted['site']);
            wp_cache_flush();
            echo "site changed\n";
        }
        if ($before['user'] !== $wanted['user']) {
            buildyard_administrator($wanted, $password);
            echo "administrator added\n";
        }
    }
    flush_rewrite_rules(false);
    update_option('buildyard_answers', json_encode($wanted, JSON_THROW_ON_ERROR), false);
    return 0;
}

/** The content of a baseline, or of a site that was there before: its settings stay, it gets our administrator. */
function buildyard_take_over(array $wanted, string $password): void
{
    global $wpdb;
    add_filter('pre_wp_mail', '__return_false');
    if ($wanted['placeholder'] !== '') {
        buildyard_rewrite($wanted['placeholder'], $wanted['site']);
        // nobody gets in here with what let them in there: neither by password nor, as administrator, by a new one
        $wpdb->query("UPDATE $wpdb->users SET user_pass = '!', user_activation_key = ''");
        delete_metadata('user', 0, 'session_tokens', '', true);
        delete_metadata('user', 0, '_application_passwords', '', true);
        wp_cache_flush();
        foreach (get_users(['role' => 'administrator']) as $other) {
            $other->remove_all_caps();
        }
        update_option('admin_email', $wanted['email']);
    }
    buildyard_administrator($wanted, $password);
}

/** The administrator of the answers exists, may do everything, and gets in with our password only. */
function buildyard_administrator(array $wanted, string $password): void
{
    add_filter('pre_wp_mail', '__return_false');
    // WordPress's own switch for: another account may have the same address (the administrator before this one)
    defined('WP_IMPORTING') || define('WP_IMPORTING', true);
    $user = get_user_by('login', $wanted['user']);
    $account = ['user_pass' => $password, 'user_email' => $wanted['email']];
    $id = $user
        ? wp_update_user(['ID' => $user->ID] + $account)
        : wp_insert_user(['user_login' => $wanted['user']] + $account);
    if (is_wp_error($id)) {
        buildyard_fail('the administrator cannot be made: ' . $id->get_error_message());
    }
    delete_user_meta($id, 'session_tokens');
    delete_user_meta($id, '_application_passwords');
    (new WP_User($id))->set_role('administrator');
}

$buildyard_finished = false;
register_shutdown_function(function (): void {
    if (!$GLOBALS['buildyard_finished']) {
        buildyard_fail('WordPress ended before the site was seen to: an extension of it may have done so');
    }
});
$mode = $argv[1] ?? '';
$wanted = json_decode((string) stream_get_contents(STDIN), true, 8, JSON_THROW_ON_ERROR);
$_SERVER['HTTP_HOST'] = (string) parse_url($wanted['site'], PHP_URL_HOST);
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$_SERVER['REQUEST_METHOD'] = 'GET';
$_SERVER['REQUEST_URI'] = '/';
$_SERVER['HTTPS'] = 'on';
define('WP_INSTALLING', true);
$buildyard_lock = buildyard_alone();
// filters that are there before WordPress is: https://developer.wordpress.org/reference/classes/wp_hook/build_preinitialized_hooks/
$wp_filter = ['wp_die_handler' => [10 => [['function' => fn (): string => 'buildyard_die', 'accepted_args' => 1]]]];
require '/srv/app/current/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
$buildyard_code = buildyard_main($mode, $wanted);
$buildyard_finished = true;
exit($buildyard_code);
