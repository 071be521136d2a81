"""The compiler refuses contradictions, keeps secrets out of sight, and ships only what is needed."""

from __future__ import annotations

import ast
import builtins
import dis
import sys
from types import FunctionType

import pytest

from recipes import roles
from recipes.compiler import FILES, INTERPRETER, agent_source, compile_recipe
from recipes.context import Node
from recipes.steps import (
    AllowRule,
    Command,
    Cron,
    Directory,
    File,
    FirewallRules,
    Package,
    Recipe,
    Script,
    Service,
    Step,
    UserCrontab,
)
from state.secret import Secret
from tests.recipes.test_roles import ALLOW, DATA, WEB, context_for

ALL_KINDS = frozenset(kind for kinds in FILES.values() for kind in kinds)

BAD: list[tuple[str, tuple[Step, ...]]] = [
    ("twice", (Directory(label="a", path="/a"), Directory(label="a", path="/b"))),
    ("nginx", (File(label="a", path="/a", content="", notifies=("nginx",)),)),
    ("nginx", (Service(label="s", unit="nginx"), File(label="a", path="/a", content="", notifies=("nginx",)))),
    ("no earlier step", (Command(label="a", apply=("true",), when_changed=("b",)),)),
    ("each time", (Command(label="a", apply=("true",)),)),
    ("each time", (Script(label="a", apply="true"),)),
    ("no name of a package", (Package(label="a", names=("--purge",)),)),
    ("no absolute path", (Directory(label="a", path="etc"),)),
    ("no absolute path", (Directory(label="a", path="/"),)),
    ("no absolute path", (Directory(label="a", path="/srv/../etc"),)),
    ("cron ignores", (Cron(label="a", name="a.b", schedule="* * * * *", command=("true",)),)),
    ("no line end", (Cron(label="a", name="a", schedule="* * * * *", command=("echo", "a\nb")),)),
    ("no line end", (UserCrontab(label="a", user="root", schedule="* * * * *", command="a\nb"),)),
    ("families", (FirewallRules(label="a", allow=(AllowRule(port=1, source="192.0.2.1", to="2001:db8::1"),)),)),
    ("not offered", (FirewallRules(label="a", allow=(AllowRule(port=1, source="0.0.0.0/0"),)),)),
    ("secrets go into", (Script(label="a", check="true", apply="true", arguments=(Secret("hunter2"),)),)),  # type: ignore[arg-type]
    ("secrets go into", (Command(label="a", check=("true",), apply=("a", Secret("hunter2"))),)),  # type: ignore[arg-type]
    ("no such thing", (FirewallRules(label="a", allow=(AllowRule(port=0, source="any"),)),)),
]


@pytest.mark.parametrize(("text", "steps"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_a_recipe_that_contradicts_itself_is_refused(text: str, steps: tuple[Step, ...]) -> None:
    with pytest.raises(ValueError, match=text):
        compile_recipe(Recipe("r", steps))


def test_a_unit_may_be_named_with_or_without_its_kind() -> None:
    steps = (File(label="a", path="/a", content="", notifies=("nginx",)), Service(label="s", unit="nginx.service"))
    compile_recipe(Recipe("r", steps))


def test_secrets_are_in_nothing_that_is_shown() -> None:
    secret = Secret("correct horse battery")
    program = compile_recipe(Recipe("r", (File(label="a", path="/a", content=secret),)))
    assert secret.reveal() not in " ".join(INTERPRETER)
    assert secret.reveal() not in repr(program)
    assert secret.reveal().encode() not in repr(program).encode()


def test_the_agent_speaks_python_3_9_and_imports_only_the_standard_library() -> None:
    tree = ast.parse(agent_source(ALL_KINDS), feature_version=(3, 9))
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not {name for name in names if name.split(".")[0] not in sys.stdlib_module_names}


def test_only_the_kinds_of_the_recipe_travel() -> None:
    assert "class FirewallRules" not in agent_source(frozenset({"File"}))
    assert "class File(" in agent_source(frozenset({"User"})), "users write their keys with what files has"


@pytest.mark.parametrize("node", [WEB, DATA], ids=["webserver", "database"])
def test_every_recipe_of_a_role_compiles(node: Node) -> None:
    for stage in roles.stages(context_for(node), ALLOW):
        program = compile_recipe(stage.recipe)
        assert len(program.labels) == len(stage.recipe.steps)


@pytest.mark.parametrize("kind", sorted(ALL_KINDS))
def test_the_joined_program_of_each_kind_misses_no_name(kind: str) -> None:
    """Each file of the agent is checked with its imports; joined, they are gone: what they brought must be there."""
    space: dict[str, object] = {"__name__": "joined"}
    exec(compile(agent_source(frozenset({kind})), "joined", "exec"), space)
    assert kind in space["KINDS"]  # type: ignore[operator]
    codes = [value.__code__ for value in space.values() if isinstance(value, FunctionType)]
    for value in list(space.values()):
        if isinstance(value, type):
            codes += [method.__code__ for method in vars(value).values() if isinstance(method, FunctionType)]
    used = {item.argval for code in codes for item in dis.get_instructions(code) if item.opname == "LOAD_GLOBAL"}
    assert not used - set(space) - set(dir(builtins))
