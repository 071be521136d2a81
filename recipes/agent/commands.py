"""Commands, scripts, SQL, facts: what has no kind of its own."""

from __future__ import annotations

from recipes.agent.core import KINDS, Failed, Kind, content_of, ending
from recipes.agent.wire import Result


class Command(Kind):
    def argv(self, part: str) -> list[str]:
        return list(self.step[part])

    def run(self, part: str, stdin: str, show: bool) -> Result:
        return self.agent.run(
            self.argv(part),
            stdin=content_of(self.step[stdin]),
            user=self.step["user"],
            environment=[tuple(pair) for pair in self.step.get("environment", ())],
            show=show,
        )

    def check(self) -> str | None:
        if not self.step["check"]:
            return None
        result = self.run("check", "check_stdin", show=False)
        if result.code == 0:
            return None
        return f"its check {ending(result.code)}" + (f"\n{result.tail}" if result.tail else "")

    def apply(self) -> None:
        result = self.run("apply", "stdin", show=True)
        if result.code != 0:
            raise Failed(ending(result.code), result.tail)

    def pay(self, applied: bool) -> None:
        if not applied:
            self.apply()


class Script(Command):
    def argv(self, part: str) -> list[str]:
        return ["sh", "-eu", "-c", self.step[part], "sh", *self.step["arguments"]]


class Sql(Kind):
    CLIENT = ("mariadb", "--no-defaults", "--protocol=socket", "--user=root", "--batch", "--skip-column-names", "--raw")

    def run(self, part: str) -> str:
        secret = self.step[part]["secret"]
        result = self.agent.run(
            list(self.CLIENT), stdin=content_of(self.step[part]), show=not secret and part == "apply", apart=True
        )
        if result.code != 0:
            # MariaDB's message repeats the statement after "near": that may hold a password
            output = result.tail.split(" near ")[0] if secret else result.tail
            raise Failed(f"MariaDB {ending(result.code)}", output)
        return result.text.rstrip("\n")

    def check(self) -> str | None:
        found = self.run("check")
        if found == self.step["expects"].rstrip("\n"):
            return None
        if self.step["check"]["secret"] or self.step["apply"]["secret"]:
            return "the check gives another answer (not shown)"
        return f"{found or 'nothing'} -> {self.step['expects']}"

    def apply(self) -> None:
        self.run("apply")


class Fact(Kind):
    LIMIT = 65_536

    def check(self) -> str | None:
        result = self.agent.run(list(self.step["command"]), show=False, apart=True)
        if result.code != 0:
            raise Failed(ending(result.code), result.tail)
        self.agent.frames.add(f="fact", i=self.agent.index, value=result.text[: self.LIMIT])
        return None


KINDS.update(Command=Command, Script=Script, Sql=Sql, Fact=Fact)
