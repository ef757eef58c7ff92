import pytest

from orchestrator import api
from orchestrator.errors import DataError


def test_a_folder_is_imported(tmp_path):
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "items.tsv").write_text("item_id\ttitle\na\tA\nb\tB\n")
    (tmp_path / "things" / "sequences.txt").write_text("u\ta b a b\n")
    dataset = api.import_data(tmp_path / "things", data_dir=tmp_path / "sets")
    assert (dataset.name, dataset.num_users, dataset.num_items) == ("things", 1, 2)
    with pytest.raises(DataError, match="is there already"):
        api.import_data(tmp_path / "things", data_dir=tmp_path / "sets")
