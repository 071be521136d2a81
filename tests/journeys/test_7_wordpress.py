"""What the site's installer does with a stranger's values, and without a database; asked on the machine itself."""

from __future__ import annotations

import json

import pytest

from tests.journeys.conftest import Site

pytestmark = pytest.mark.machines

FROM, TO = "https://site.invalid", "https://a-much-longer-name.example"

#: Prints for each value whether it can be read after the rewriting, and what it is then.
REWRITTEN = """
require '/srv/app/pages/rewrite.php';
enum Suit: string { case Home = 'h'; }
class Own implements Serializable {
    public $kept = '%(from)s';
    public function serialize() { return $this->kept; }
    public function unserialize($data) { $this->kept = $data; }
}
$page = new stdClass();
$page->url = '%(from)s/';
$page->parts = [1, 2.5, true, null, 'ü %(from)s/ü', ['deep' => '%(from)s']];
$page->again = &$page->parts[4];
$inner = serialize(['object' => $page, 'text' => '%(from)s";s:3:"no']);
$values = [
    'text' => 'see %(from)s/a and %(from)s.au and %(from)s-b',
    'broken' => 's:99:"%(from)s";',
    'json' => json_encode(['url' => 'x %(from)s'], JSON_UNESCAPED_SLASHES),
    'array' => serialize(['%(from)s' => '%(from)s', 7 => INF]),
    'object' => serialize($page),
    'nested' => serialize(['twice' => serialize(['inner' => $inner])]),
    'list' => serialize(new ArrayObject(['%(from)s'])),
    'case' => serialize([Suit::Home, '%(from)s']),
    'own' => @serialize([new Own(), '%(from)s']),
];
foreach ($values as $name => $value) {
    $once = buildyard_replace($value, '%(from)s', '%(to)s');
    $seen = in_array($name, ['text', 'broken', 'json'], true) ? $once : unserialize($once);
    $found[$name] = [$seen !== false, buildyard_replace($once, '%(from)s', '%(to)s') === $once, $seen];
}
$found['innermost'] = [true, true, unserialize(unserialize($found['nested'][2]['twice'])['inner'])];
$found['list'][2] = $found['list'][2]->getArrayCopy();
echo json_encode($found, JSON_THROW_ON_ERROR | JSON_PARTIAL_OUTPUT_ON_ERROR | JSON_UNESCAPED_SLASHES);
"""


def test_serialised_values_are_whole_after_the_address_in_them_changed(site: Site) -> None:
    answer = json.loads(site.on("ws-1", "php", "-r", REWRITTEN % {"from": FROM, "to": TO}))
    found = {name: value for name, (readable, stable, value) in answer.items() if readable and stable}
    assert found.keys() == answer.keys()
    page = {"url": f"{TO}/", "parts": [1, 2.5, True, None, f"ü {TO}/ü", {"deep": TO}], "again": f"ü {TO}/ü"}
    assert found["text"] == f"see {TO}/a and {FROM}.au and {FROM}-b"
    assert found["broken"] == f's:99:"{TO}";'
    assert found["json"] == f'{{"url":"x {TO}"}}'
    assert found["array"] == {FROM: TO, "7": 0}
    assert found["object"] == page
    assert found["innermost"] == {"object": page, "text": f'{TO}";s:3:"no'}
    assert found["list"] == [TO]
    assert found["case"] == ["h", TO]
    # only its own class can read it: it stays, and what is around it is rewritten
    assert found["own"] == [{"kept": FROM}, TO]


def test_without_the_database_the_site_is_not_said_to_be_done(site: Site) -> None:
    database = site.address("db-1", "private_ipv4")
    site.on("ws-1", "sudo", "-n", "ip", "route", "add", "unreachable", database)
    try:
        planned = site.buildyard("plan")
        built = site.buildyard("build")
    finally:
        site.on("ws-1", "sudo", "-n", "ip", "route", "del", "unreachable", database)
    reason = f"the database at {database}:2035 cannot be used: No route to host"
    assert "~ site" in planned.stdout
    assert reason in planned.stdout
    assert built.returncode == 1
    assert reason in built.stdout
    assert site.json("plan")["actions"] == []
