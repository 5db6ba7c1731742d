"""``ape pretrain``."""

from ape.cli.main import main


def test_too_few_processes_end_with_one_line_and_code_2(tmp_path, capsys):
    out = tmp_path / "new"
    assert main(["pretrain", "--out", str(out), "--processes", "3", "--steps", "5"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("ape: ")
    assert "at least 40" in message
    assert message.count("\n") == 1
    assert not out.exists()
