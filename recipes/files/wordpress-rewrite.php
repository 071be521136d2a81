<?php
// Rewrites the site's address in all that the database holds, also inside of serialised values.
//
// PHP's serialised form (https://www.php.net/manual/en/function.serialize.php) notes the length of each string: one that
// no longer fits makes the whole value unreadable. It is read here token by token, and no object is ever built: their
// classes are not known here, and a stranger's dump must not wake them.
declare(strict_types=1);

/** Replaces an address in a text; a serialised one can be read afterwards as before. */
function buildyard_replace(string $text, string $from, string $to): string
{
    if (!str_contains($text, $from)) {
        return $text;
    }
    $at = 0;
    $rewritten = buildyard_serialized($text, $at, $from, $to);
    if ($rewritten !== null && $at === strlen($text)) {
        return $rewritten;
    }
    // not where the name goes on (https://site.example is not https://site.example.org): doing it twice does it once
    $pattern = '/' . preg_quote($from, '/') . '(?![\w-]|\.\w)/';
    return preg_replace_callback($pattern, fn (): string => $to, $text) ?? $text;
}

/** The serialised value at $at, rewritten; $at moves behind it. Null when there is none. */
function buildyard_serialized(string $text, int &$at, string $from, string $to): ?string
{
    if (preg_match('/\G(?:N;|[bidrR]:[^;"{}]+;)/', $text, $found, 0, $at)) {
        $at += strlen($found[0]);
        return $found[0];
    }
    if (!preg_match('/\G([asOCE]):(\d{1,12}):/', $text, $found, 0, $at)) {
        return null;
    }
    [$start, $kind, $count] = [$found[0], $found[1], (int) $found[2]];
    $at += strlen($start);
    if ($kind === 'a') {
        return buildyard_members($text, $at, $start, $count, $from, $to);
    }
    // a string, the name of a class, or that of an enumeration's case
    $quoted = substr($text, $at, $count + 2);
    if (strlen($quoted) !== $count + 2 || $quoted[0] !== '"' || $quoted[-1] !== '"') {
        return null;
    }
    $at += $count + 2;
    if ($kind === 's' || $kind === 'E') {
        if (($text[$at] ?? '') !== ';') {
            return null;
        }
        $at++;
        if ($kind === 'E') {
            return "$start$quoted;";
        }
        $inner = buildyard_replace(substr($quoted, 1, -1), $from, $to);
        return 's:' . strlen($inner) . ":\"$inner\";";
    }
    if (!preg_match('/\G:(\d{1,12}):/', $text, $found, 0, $at)) {
        return null;
    }
    $at += strlen($found[0]);
    $start .= $quoted . $found[0];
    if ($kind === 'O') {
        return buildyard_members($text, $at, $start, (int) $found[1], $from, $to);
    }
    // only its class can read what a class wrote in its own way: it stays as it is
    $own = substr($text, $at, (int) $found[1] + 2);
    if (strlen($own) !== (int) $found[1] + 2 || $own[0] !== '{' || $own[-1] !== '}') {
        return null;
    }
    $at += strlen($own);
    return $start . $own;
}

/** The members of an array or object in their braces; what they are found by stays as it is. */
function buildyard_members(string $text, int &$at, string $start, int $count, string $from, string $to): ?string
{
    if (($text[$at] ?? '') !== '{') {
        return null;
    }
    $at++;
    $parts = [$start, '{'];
    for ($member = 0; $member < $count; $member++) {
        $key_at = $at;
        if (buildyard_serialized($text, $at, $from, $to) === null) {
            return null;
        }
        $parts[] = substr($text, $key_at, $at - $key_at);
        $value = buildyard_serialized($text, $at, $from, $to);
        if ($value === null) {
            return null;
        }
        $parts[] = $value;
    }
    if (($text[$at] ?? '') !== '}') {
        return null;
    }
    $at++;
    $parts[] = '}';
    return implode('', $parts);
}

/** Rewrites the site's address in all text columns of the application's tables. */
function buildyard_rewrite(string $from, string $to): void
{
    global $wpdb;
    foreach ($wpdb->get_col($wpdb->prepare('SHOW TABLES LIKE %s', $wpdb->esc_like($wpdb->prefix) . '%')) as $table) {
        $keys = [];
        $texts = [];
        foreach ($wpdb->get_results("SHOW COLUMNS FROM `$table`") as $column) {
            if ($column->Key === 'PRI') {
                $keys[] = $column->Field;
            }
            if (preg_match('/char|text|json/i', $column->Type)) {
                $texts[] = $column->Field;
            }
        }
        if ($keys === []) {
            continue;
        }
        foreach ($texts as $text) {
            // JSON inside of content escapes slashes
            foreach ([[$from, $to], [str_replace('/', '\\/', $from), str_replace('/', '\\/', $to)]] as [$old, $new]) {
                buildyard_rewrite_column($table, $keys, $text, $old, $new);
            }
        }
    }
}

/** Rewrites one text column; a value that would not fit into it stays, and is named. */
function buildyard_rewrite_column(string $table, array $keys, string $text, string $old, string $new): void
{
    global $wpdb;
    $list = implode(', ', array_map(fn (string $key): string => "`$key`", $keys));
    $rows = $wpdb->get_results(
        $wpdb->prepare("SELECT $list, `$text` AS buildyard_text FROM `$table` WHERE `$text` LIKE %s", '%' . $wpdb->esc_like($old) . '%'),
        ARRAY_A
    );
    foreach ($rows as $row) {
        $value = $row['buildyard_text'];
        unset($row['buildyard_text']);
        $rewritten = buildyard_replace($value, $old, $new);
        if ($rewritten !== $value && $wpdb->update($table, [$text => $rewritten], $row) === false) {
            echo "$table.$text of " . implode(', ', $row) . " keeps the address $old: $wpdb->last_error\n";
        }
    }
}
