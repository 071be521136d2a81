<?php
// Whether this webserver can serve the site: PHP runs, a release is there, the disk has room, the database answers.
// Yes or no; probers (nginx knows them by the private network) are told why not.
declare(strict_types=1);

header('Content-Type: application/json');
header('Cache-Control: no-store');

const LEAST_FREE_BYTES = 16 * 1024 * 1024;

/** What keeps it from serving and a few words about it; two empty texts when nothing does. */
function problem(): array
{
    if (!is_file('/srv/app/current/index.php')) {
        return ['release', 'there is no release'];
    }
    // false: cannot be asked, which is no proof
    $free = @disk_free_space('/srv/app');
    if ($free !== false && $free < LEAST_FREE_BYTES) {
        return ['disk', sprintf('%d MiB are free', $free / 1024 / 1024)];
    }
    $settings = '/srv/app/config/database.php';
    if (!is_readable($settings)) {
        return ['settings', 'there is no access to the database'];
    }
    mysqli_report(MYSQLI_REPORT_OFF);
    $database = require $settings;
    $link = mysqli_init();
    // less than the two seconds a prober waits: a database that hangs shall be named by its name
    mysqli_options($link, MYSQLI_OPT_CONNECT_TIMEOUT, 1);
    mysqli_options($link, MYSQLI_OPT_READ_TIMEOUT, 1);
    // a build brings this page before the settings: those of an earlier one have no flags
    if (!@mysqli_real_connect($link, $database['host'], $database['user'], $database['password'], $database['name'], $database['port'], null, $database['flags'] ?? 0)) {
        return ['database', (string) mysqli_connect_error()];
    }
    $answer = @mysqli_query($link, 'SELECT 1');
    if (!$answer instanceof mysqli_result || mysqli_fetch_row($answer) !== ['1']) {
        return ['database', mysqli_error($link)];
    }
    return ['', ''];
}

[$cause, $detail] = problem();
$healthy = $cause === '';
$said = ['healthy' => $healthy];
if (!$healthy && ($_SERVER['BUILDYARD_PROBER'] ?? '') === '1') {
    $said += ['cause' => $cause, 'detail' => $detail];
}
// 500, not 503: nginx would put the maintenance page in the place of this answer
http_response_code($healthy ? 200 : 500);
echo json_encode($said, JSON_INVALID_UTF8_SUBSTITUTE), "\n";
