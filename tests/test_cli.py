"""The command line: what goes to stdout, what to stderr, and the exit codes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nl2dsl import __version__, cli
from nl2dsl.cli import catalogs, common, program, writing
from nl2dsl.engines.embedded import SHIPPED

GOOD = 'triggerOutputs = await commonTrigger.Recurrence({ "frequency": "Day", "interval": 1 });\n'
LOOSE = 'triggerOutputs=commonTrigger.Recurrence("frequency":"Day","interval":1); // daily\n'
WRONG = GOOD + "x = shared_office365.SendMail();\n"
BROKEN = "triggerOutputs = \n"

needs_model = pytest.mark.skipif(not (SHIPPED / "card.json").exists(), reason=f"no model in {SHIPPED}")


class Ran(NamedTuple):
    code: int
    out: str
    err: str


class Run:
    """Runs the command line in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *words: str | Path, stdin: bytes = b"") -> Ran:
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self._capsys.readouterr()
        try:
            code = cli.main([str(w) for w in words])
        except SystemExit as left:  # --help
            code = int(left.code or 0)
        captured = self._capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ran(code, captured.out, captured.err)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(capsys, monkeypatch)


def file(folder: Path, text: str | bytes, name: str = "a.flow") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def replay(folder: Path, **answers: str) -> str:
    path = folder / "answers.jsonl"
    path.write_text("".join(json.dumps({"query": q.replace("_", " "), "text": t}) + "\n" for q, t in answers.items()), encoding="utf-8")
    return f"replay:{path}"


# --- help and usage


def test_the_overview_names_every_verb_and_none_that_is_not_there(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    for verb in cli.VERBS:
        assert f"  {verb} " in ran.out
    for verb in cli.PLANNED:
        assert f"  {verb} " not in ran.out
    assert run("help").out == ran.out


def test_no_verb_shows_the_overview_and_is_wrong_usage(run: Run) -> None:
    ran = run()
    assert (ran.code, ran.out) == (2, "")
    assert "nl2dsl generate" in ran.err


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help_with_examples_that_parse(run: Run, verb: str) -> None:
    import shlex

    ran = run(*verb.split(), "--help")
    assert ran.code == 0
    assert "examples:" in ran.out
    assert run("help", *verb.split()).out == ran.out
    for example in cli.VERBS[verb].examples:
        words = shlex.split(example.split(" > ")[0])
        assert words[0] == "nl2dsl"
        program._parse(*program._verb(words[1:]))


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"nl2dsl {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("generat x", "did you mean `nl2dsl generate`?"),
        ("catlog list", "did you mean `nl2dsl catalog list`?"),
        ("catalog lst", "did you mean `nl2dsl catalog list`?"),
        ("catalog diff a b", "a: no such file or folder"),
        ("serve x", "`nl2dsl serve` is not available yet"),
        ("check", "nl2dsl check --help"),
        ("check --jsn x", "unrecognized arguments: --jsn"),
        ("generate", "what should the flow do?"),
        ("generate x --input y", "not both"),
        ("generate x --output y", "--output belongs to --input"),
        ("generate x --shots -1", "is not a number from 0"),
        ("generate x --max-tokens 0", "is not a number from 1"),
        ("generate x --engine opnai:y", "unknown engine"),
        ("generate x --constrain tight", "invalid choice"),
        ("generate x --model /nowhere", "no model in /nowhere"),
        ("generate x --catalog /nowhere.json", "/nowhere.json: no such file"),
        ("catalog import x", "-o"),
        ("compile x.flow --to zip", "invalid choice"),
        ("decompile x.zip", "x.zip: no such file"),
        ("corpus /nowhere.toml", "/nowhere.toml: no such file"),
    ],
)
def test_wrong_usage_says_what_to_do_and_exits_with_2(run: Run, words: str, told: str) -> None:
    ran = run(*words.split())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert told in ran.err


# --- check


def test_a_good_flow_has_nothing_said_about_it_on_stdout(run: Run, tmp_path: Path) -> None:
    assert run("check", file(tmp_path, GOOD)) == (0, "", "1 file: nothing to say\n")


def test_findings_go_to_stdout_and_errors_make_the_exit_code_1(run: Run, tmp_path: Path) -> None:
    path = file(tmp_path, WRONG)
    ran = run("check", path)
    assert ran.code == 1
    assert "error[N201]" in ran.out
    assert f"{path}:2:5" in ran.out
    assert "\x1b" not in ran.out
    assert ran.err == "1 file: 1 error\n"


def test_findings_as_json_lines(run: Run, tmp_path: Path) -> None:
    path = file(tmp_path, WRONG)
    rows = [json.loads(line) for line in run("check", "--json", path).out.splitlines()]
    assert [(r["file"], r["code"], r["severity"], r["line"]) for r in rows] == [(str(path), "N201", "error", 2)]


def test_missing_values_are_no_errors(run: Run, tmp_path: Path) -> None:
    ran = run("check", file(tmp_path, GOOD + "x = shared_office365.SendEmailV2();\n"))
    assert ran.code == 0
    assert "info[M601]" in ran.out


def test_a_folder_stands_for_its_flows(run: Run, tmp_path: Path) -> None:
    file(tmp_path, GOOD)
    (tmp_path / "deep").mkdir()
    file(tmp_path / "deep", WRONG)
    file(tmp_path, b"\xff", "other.txt")
    ran = run("check", tmp_path)
    assert ran.code == 1
    assert ran.err.startswith("2 files: ")


def test_a_file_that_cannot_be_read_does_not_hide_the_others(run: Run, tmp_path: Path) -> None:
    ran = run("check", tmp_path / "nope.flow", file(tmp_path, WRONG))
    assert ran.code == 2
    assert "nope.flow: no such file" in ran.err
    assert "N201" in ran.out


def test_the_summary_tells_what_could_not_be_read(run: Run, tmp_path: Path) -> None:
    assert run("check", tmp_path / "nope.flow").err.splitlines()[-1] == "1 file, 1 could not be read"
    assert run("check", tmp_path / "nope.flow", file(tmp_path, GOOD)).err.splitlines()[-1] == "2 files, 1 could not be read: nothing to say"


@pytest.mark.parametrize("words", [("check",), ("check", "--fix"), ("format",), ("compile",), ("run",)])
@pytest.mark.parametrize(("data", "told"), [(b' {"actions": {}}', "this is JSON"), (b"[]", "this is JSON"), (b"PK\x03\x04", "this is a zip file")])
def test_what_flows_are_made_of_is_no_flow_and_stays_as_it_is(run: Run, tmp_path: Path, words: tuple[str, ...], data: bytes, told: str) -> None:
    path = file(tmp_path, data)
    ran = run(*words, path)
    assert (ran.code, ran.out) == (2, "") and told in ran.err and "nl2dsl decompile" in ran.err
    assert path.read_bytes() == data


def test_a_flow_is_not_decompiled_again(run: Run, tmp_path: Path) -> None:
    ran = run("decompile", file(tmp_path, GOOD))
    assert ran.code == 1 and "this is a flow already" in ran.err and "nl2dsl compile" in ran.err


def test_a_folder_is_decompiled_when_it_is_packed(run: Run, tmp_path: Path) -> None:
    ran = run("decompile", tmp_path)
    assert ran.code == 2 and "is a folder" in ran.err and ".zip" in ran.err


def test_an_error_of_a_definition_that_should_run_names_its_file(run: Run, tmp_path: Path) -> None:
    ran = run("run", file(tmp_path, '{"actions": []}', "w.json"))
    assert ran.code == 2 and "w.json: this is no workflow definition" in ran.err


def test_a_name_that_only_ends_alike_is_not_suggested(run: Run, tmp_path: Path) -> None:
    file(tmp_path, GOOD, "bin.flow")
    assert "did you mean" not in run("check", tmp_path / "missing.flow").err
    assert "bin.flow" in run("check", tmp_path / "bins.flow").err


def test_a_text_that_powershell_wrote_is_read(run: Run, tmp_path: Path) -> None:
    assert run("check", file(tmp_path, GOOD.encode("utf-16"))).code == 0


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"\x00\x01", b"\x89PNG\r\n", b"\x1f\x8bnot gzip"])
@pytest.mark.parametrize("verb", ["check", "format", "compile", "decompile"])
def test_a_binary_file_is_told_as_such(run: Run, tmp_path: Path, verb: str, data: bytes) -> None:
    ran = run(verb, file(tmp_path, data))
    assert (ran.code, ran.out) == (2, "")
    assert "a.flow: " in ran.err


def test_an_empty_folder_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    assert run("check", tmp_path).code == 2


def test_stdin_is_a_file_called_dash(run: Run) -> None:
    assert run("check", "-", stdin=WRONG.encode()).code == 1


def test_a_refusal_is_no_mistake_but_nothing_to_compile(run: Run, tmp_path: Path) -> None:
    path = file(tmp_path, 'refuse("violence")')
    assert run("check", path).code == 0
    assert run("compile", path).code == 1
    assert run("format", "--stdout", path).out == 'refuse("violence");\n'


def test_an_own_catalog_replaces_the_built_in_one_but_not_the_platform(run: Run, tmp_path: Path) -> None:
    catalog = file(tmp_path, '{"id": "shared_shop.Sell", "description": "sells a thing"}\n', "shop.jsonl")
    own = file(tmp_path, GOOD + "x = shared_shop.Sell();\n", "own.flow")
    other = file(tmp_path, GOOD + "x = shared_office365.SendEmailV2();\n", "other.flow")
    assert run("check", own).code == 1
    assert run("check", own, "--catalog", catalog).code == 0
    assert run("check", other, "--catalog", catalog).code == 1
    assert run("check", own, other, "--catalog", catalog, "--with-builtin").code == 0


# --- format


def test_format_writes_in_place_and_keeps_comments(run: Run, tmp_path: Path) -> None:
    path = file(tmp_path, LOOSE)
    assert run("format", path) == (0, "", f"formatted {path}\n")
    assert path.read_text(encoding="utf-8") == "// daily\n" + GOOD
    assert run("format", path) == (0, "", "")


def test_format_check_lists_files_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    loose, good = file(tmp_path, LOOSE), file(tmp_path, GOOD, "b.flow")
    assert run("format", "--check", loose, good) == (1, f"{loose}\n", "")
    assert loose.read_text(encoding="utf-8") == LOOSE
    assert run("format", "--check", good).code == 0


def test_format_of_stdin_goes_to_stdout(run: Run) -> None:
    assert run("format", "-", stdin=LOOSE.encode()).out == "// daily\n" + GOOD


def test_format_leaves_a_broken_flow_alone(run: Run, tmp_path: Path) -> None:
    path = file(tmp_path, BROKEN)
    ran = run("format", path)
    assert (ran.code, ran.out) == (1, "")
    assert "error[S1" in ran.err
    assert path.read_text(encoding="utf-8") == BROKEN


# --- compile and decompile


def test_compile_and_decompile_are_inverse(run: Run, tmp_path: Path) -> None:
    path = file(tmp_path, GOOD + 'outputs_builtin_Compose = builtin.Compose({ "inputs": "x" });\n')
    compiled = run("compile", path)
    assert compiled.code == 0
    assert set(json.loads(compiled.out)) >= {"triggers", "actions"}
    for shape in (compiled.out, json.dumps({"properties": {"definition": json.loads(compiled.out)}})):
        assert run("decompile", file(tmp_path, shape, "a.json")).out == path.read_text(encoding="utf-8")


def test_a_workflow_with_a_function_nobody_knows_goes_in_and_out_again(run: Run, tmp_path: Path) -> None:
    actions = {"Do_it": {"type": "Compose", "inputs": "@encodeBase64(triggerBody())", "runAfter": {}}}
    definition = json.loads(run("compile", file(tmp_path, GOOD)).out) | {"actions": actions}
    text = run("decompile", file(tmp_path, json.dumps(definition), "a.json")).out
    assert text.endswith('@@functions("encodeBase64")\n')
    assert "warning[N205]" in run("check", file(tmp_path, text, "a.flow")).out
    assert json.loads(run("compile", tmp_path / "a.flow").out) == definition
    assert run("compile", file(tmp_path, text.replace("@@functions", "// "), "a.flow")).code == 1  # in a flow of one's own it is a mistake


def test_a_flow_with_errors_is_compiled_when_asked_for(run: Run, tmp_path: Path) -> None:
    ran = run("compile", "--anyway", file(tmp_path, WRONG))
    assert ran.code == 0
    assert "error[" in ran.err
    assert json.loads(ran.out)["actions"]
    assert run("compile", "--anyway", file(tmp_path, BROKEN)).code == 1  # what is no flow has no JSON


def test_compile_writes_to_a_file_in_a_new_folder(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.json"
    assert run("compile", file(tmp_path, GOOD), "-o", target) == (0, "", "")
    assert json.loads(target.read_text(encoding="utf-8"))["triggers"]
    assert [p.name for p in target.parent.iterdir()] == ["a.json"]


def test_a_package_is_compiled_and_decompiled(run: Run, tmp_path: Path) -> None:
    path = file(tmp_path, GOOD, "bills.flow")
    assert run("compile", path, "--to", "package", "-o", tmp_path / "a.zip") == (0, "", "")
    ran = run("decompile", tmp_path / "a.zip")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == '@@name("bills")\n\n' + GOOD


def test_a_logic_app_is_compiled_or_says_what_it_cannot_hold(run: Run, tmp_path: Path) -> None:
    made = run("compile", file(tmp_path, GOOD), "--to", "logic-app")
    assert made.code == 0
    assert set(json.loads(made.out)) == {"definition", "parameters"}
    ran = run("compile", file(tmp_path, GOOD + "shared_approvals.StartAndWaitForAnApproval();\n", "b.flow"), "--to", "logic-app")
    assert (ran.code, ran.out) == (1, "")
    assert "error[T701]" in ran.err


def test_several_flows_go_into_a_folder(run: Run, tmp_path: Path) -> None:
    one = {"type": "Microsoft.Logic/workflows", "name": "one", "properties": {"definition": json.loads(run("compile", file(tmp_path, GOOD)).out)}}
    broken = {"type": "Microsoft.Logic/workflows", "name": "broken", "properties": {"definition": {"actions": {"a": 3}}}}
    path = file(
        tmp_path, json.dumps({"resources": [one, {**one, "name": "two"}, {"type": "Microsoft.Web/connections", "name": "mail"}, broken]}), "t.json"
    )
    assert run("decompile", path).code == 2
    ran = run("decompile", path, "-o", tmp_path / "flows")
    assert ran.code == 1
    assert sorted(p.name for p in (tmp_path / "flows").iterdir()) == ["one.flow", "two.flow"]
    assert "left out: Microsoft.Web/connections mail" in ran.err
    assert "t.json: broken: this is no workflow definition" in ran.err


@pytest.mark.parametrize("text", [WRONG, BROKEN, ""])
def test_a_flow_with_errors_is_not_compiled(run: Run, tmp_path: Path, text: str) -> None:
    target = tmp_path / "a.json"
    ran = run("compile", file(tmp_path, text), "-o", target)
    assert (ran.code, ran.out) == (1, "")
    assert "error[" in ran.err
    assert not target.exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [("{\n x", "a.json:2:2: not JSON"), ("[]", "no workflow definition"), ('{"actions": 3}', "no workflow definition"), ("[" * 100000, "a.json: ")],
)
def test_json_that_is_no_definition_is_told(run: Run, tmp_path: Path, text: str, told: str) -> None:
    ran = run("decompile", file(tmp_path, text, "a.json"))
    assert (ran.code, ran.out) == (1, "")
    assert told in ran.err


def test_output_to_a_folder_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    assert run("compile", file(tmp_path, GOOD), "-o", tmp_path).code == 2
    assert run("catalog", "import", file(tmp_path, '{"id": "a.B"}', "c.jsonl"), "-o", tmp_path).code == 2


# --- catalog


def test_catalog_list_is_a_table_or_json_lines(run: Run) -> None:
    ran = run("catalog", "list")
    assert "shared_office365 " in ran.out
    assert ran.err.endswith("operations\n")
    assert len(run("catalog", "list", "--json").out.splitlines()) == len(ran.out.splitlines())


def test_catalog_show_of_an_operation_and_of_a_connector(run: Run) -> None:
    assert "emailMessage/To" in run("catalog", "show", "shared_office365.SendEmailV2").out
    assert "shared_office365.SendEmailV2 " in run("catalog", "show", "shared_office365").out
    row = json.loads(run("catalog", "show", "shared_office365.SendEmailV2", "--json").out)
    assert row["id"] == "shared_office365.SendEmailV2"


@pytest.mark.parametrize(("name", "near"), [("shared_ofice365", "shared_office365"), ("shared_office365.SendEmailV3", "SendEmail")])
def test_catalog_show_of_what_is_not_there_names_the_nearest(run: Run, name: str, near: str) -> None:
    ran = run("catalog", "show", name)
    assert ran.code == 2
    assert near in ran.err


def test_catalog_search_finds_by_words(run: Run) -> None:
    ran = run("catalog", "search", "send", "email", "-n", "5", "--json")
    assert len([json.loads(line) for line in ran.out.splitlines()]) == 5
    assert run("catalog", "search", "zzzzqqqq").code == 1


def test_catalog_import_makes_what_catalog_takes(run: Run, tmp_path: Path) -> None:
    rows = file(tmp_path, '{"id": "shared_shop.Sell", "description": "sells a thing"}\nnonsense\n', "rows.jsonl")
    target = tmp_path / "shop.jsonl.gz"
    ran = run("catalog", "import", rows, "-o", target)
    assert (ran.code, ran.out) == (0, "")
    assert "warning: " in ran.err
    assert "1 operation of 1 connector" in ran.err
    assert "sells a thing" in run("catalog", "show", "shared_shop.Sell", "--catalog", target).out


# --- generate, with recorded answers


def test_generate_prints_the_flow_alone_and_says_what_is_missing(run: Run, tmp_path: Path) -> None:
    flow = GOOD + "outputs_shared_office365_SendEmailV2 = shared_office365.SendEmailV2({});\n"
    ran = run("generate", "mail", "me", "--engine", replay(tmp_path, mail_me=flow))
    assert (ran.code, ran.out) == (0, flow)
    assert 'shared_office365.SendEmailV2 "emailMessage/To"' in ran.err


def test_generate_json_is_one_outcome(run: Run, tmp_path: Path) -> None:
    made = json.loads(run("generate", "mail me", "--json", "--engine", replay(tmp_path, mail_me=GOOD)).out)
    assert (made["outcome"], made["dsl"], made["operations"]) == ("flow", GOOD, ["commonTrigger.Recurrence"])
    assert made["calls"] == [{"operation": "commonTrigger.Recurrence", "parameters": {"frequency": "Day", "interval": 1}}]
    assert made["seconds"]["total"] > 0


def test_generate_reads_the_sentence_from_stdin(run: Run, tmp_path: Path) -> None:
    assert run("generate", "-", "--engine", replay(tmp_path, mail_me=GOOD), stdin=b"mail me\n").out == GOOD


def test_a_refusal_prints_nothing_on_stdout_and_exits_with_1(run: Run, tmp_path: Path) -> None:
    ran = run("generate", "mail me", "--engine", replay(tmp_path, mail_me='refuse("violence");'))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("refused (violence): ")


def test_a_failure_shows_why_and_the_attempt(run: Run, tmp_path: Path) -> None:
    ran = run("generate", "mail me", "--engine", replay(tmp_path, mail_me=WRONG))
    assert (ran.code, ran.out) == (1, "")
    assert "error[N201]" in ran.err


@pytest.mark.parametrize("query", [" ", "!!!", "x" * 4001])
def test_a_request_that_is_none_exits_with_1(run: Run, tmp_path: Path, query: str) -> None:
    ran = run("generate", query, "--engine", replay(tmp_path, a=GOOD))
    assert (ran.code, ran.out) == (1, "")
    assert "error[Q00" in ran.err


def requests(folder: Path, *rows: Any) -> Path:
    return file(folder, "\n\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), "rows.jsonl")


def test_a_batch_keeps_ids_and_order_and_counts_outcomes(run: Run, tmp_path: Path) -> None:
    rows = [{"id": 7, "query": "mail me", "gold": 1}, {"query": "hurt"}, {"id": "c", "query": ""}, {"id": 7, "query": "mail me"}]
    engine = replay(tmp_path, mail_me=GOOD, hurt='refuse("violence");')
    ran = run("generate", "--input", requests(tmp_path, *rows), "--engine", engine)
    made = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 0
    assert [(r["id"], r["query"], r["outcome"]) for r in made] == [
        (7, "mail me", "flow"),
        (None, "hurt", "refusal"),
        ("c", "", "failure"),
        (7, "mail me", "flow"),
    ]
    assert "gold" not in made[0]
    assert ran.err.startswith("4 requests: 2 flows, 1 refusal, 1 failure; ")


def test_an_engine_that_does_not_answer_costs_one_row(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    rows = requests(tmp_path, {"query": "unknown"}, {"query": "mail me"})
    ran = run("generate", "--input", rows, "--output", target, "--engine", replay(tmp_path, mail_me=GOOD))
    made = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert (ran.code, ran.out) == (1, "")
    assert [r["outcome"] for r in made] == ["failure", "flow"]
    assert made[0]["diagnostics"][0]["code"] == "E001"


def test_broken_rows_are_told_with_their_lines_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    rows = requests(tmp_path, {"query": "mail me"}, "{nope", "[1]", {"id": 1}, {"query": 5})
    ran = run("generate", "--input", rows, "--output", target, "--engine", replay(tmp_path, mail_me=GOOD))
    assert (ran.code, ran.out) == (1, "")
    for told in (
        "rows.jsonl:3: not JSON",
        "rows.jsonl:5: not a JSON object",
        "rows.jsonl:7: `query` is missing",
        "rows.jsonl:9: `query` is not a text",
    ):
        assert told in ran.err
    assert not target.exists()


def test_an_empty_batch_is_an_empty_file(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    assert run("generate", "--input", requests(tmp_path), "--output", target, "--engine", replay(tmp_path, a=GOOD)).code == 0
    assert target.read_text(encoding="utf-8") == ""


def test_an_interrupted_batch_leaves_the_old_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    target = file(tmp_path, "old", "out.jsonl")
    monkeypatch.setattr(writing, "_try", stop)
    ran = run("generate", "--input", requests(tmp_path, {"query": "mail me"}), "--output", target, "--engine", replay(tmp_path, mail_me=GOOD))
    assert (ran.code, ran.err) == (130, "stopped\n")
    assert target.read_text(encoding="utf-8") == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["answers.jsonl", "out.jsonl", "rows.jsonl"]


# --- the program


def test_what_nobody_foresaw_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("boom")

    monkeypatch.setattr(catalogs, "chosen_catalog", fail)
    ran = run("catalog", "list")
    assert ran.code == 2
    assert ran.err.startswith("error: something went wrong inside nl2dsl: RuntimeError: boom")


def test_a_missing_extra_is_told_by_its_name() -> None:
    told = program._unforeseen(ModuleNotFoundError("no torch", name="torch.nn"))
    assert told.hint == "pip install 'nl2dsl[train]'"


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert common.colour(Terminal())
    assert not common.colour(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not common.colour(Terminal())


def test_the_language_verbs_start_without_the_models_libraries(tmp_path: Path) -> None:
    code = "import sys; from nl2dsl.cli import main; main(['check', sys.argv[1]]); print([m for m in ('numpy', 'openvino', 'tokenizers', 'torch') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code, file(tmp_path, GOOD)], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_a_reader_that_leaves_early_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "nl2dsl", "catalog", "search", "mail", "-n", "3000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


# --- the embedded model


@needs_model
def test_the_embedded_model_writes_flows(run: Run, tmp_path: Path) -> None:
    ran = run(
        "generate", "--input", requests(tmp_path, {"id": 1, "query": "every Monday at 8 mail bob@contoso.com the weather"}, {"id": 2, "query": ""})
    )
    made = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 0
    assert [r["outcome"] for r in made] == ["flow", "failure"]
    assert run("check", "-", stdin=made[0]["dsl"].encode()).code == 0
