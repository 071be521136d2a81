<?php
// Runs WordPress's own jobs, on one webserver at a time: whoever holds a lock of the database runs them, the others have
// nothing to do in that minute. The lock is a connection's own, so it ends with whoever held it.
//
// usage: php cron.php [PROGRAM]    PROGRAM is run in the place of WordPress's (for tests)
declare(strict_types=1);

if (PHP_SAPI !== 'cli') {
    exit(1);
}
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$buildyard = require '/srv/app/config/database.php';
try {
    $buildyard_link = mysqli_init();
    mysqli_options($buildyard_link, MYSQLI_OPT_CONNECT_TIMEOUT, 10);
    mysqli_options($buildyard_link, MYSQLI_OPT_READ_TIMEOUT, 10);
    mysqli_real_connect($buildyard_link, $buildyard['host'], $buildyard['user'], $buildyard['password'], $buildyard['name'], $buildyard['port'], null, $buildyard['flags']);
    // a run of five minutes (the limit in the crontab) must not lose it to a server that ends idle connections
    mysqli_query($buildyard_link, 'SET SESSION wait_timeout = 600');
    // names of locks are the whole server's: another site's there has another database
    $buildyard_answer = mysqli_query($buildyard_link, "SELECT GET_LOCK(CONCAT('buildyard-cron-', DATABASE()), 0)");
    $buildyard_mine = mysqli_fetch_row($buildyard_answer) === ['1'];
} catch (mysqli_sql_exception $error) {
    fwrite(STDERR, 'the database cannot be used: ' . $error->getMessage() . "\n");
    exit(1);
}
if (!$buildyard_mine) {
    echo "another webserver runs them\n";
    exit(0);
}
unset($buildyard, $buildyard_answer, $buildyard_mine);
// the connection stays open, and with it the lock, until this process ends
require $argv[1] ?? '/srv/app/current/wp-cron.php';
