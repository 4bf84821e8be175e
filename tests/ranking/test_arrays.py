"""Arrays in bytes: what was packed is found again, where it lies, and nobody can write to it."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from serving.ranking import arrays

KINDS = st.one_of(
    hnp.integer_dtypes(endianness="<"),
    hnp.unsigned_integer_dtypes(endianness="<"),
    hnp.floating_dtypes(endianness="<", sizes=(16, 32, 64)),
)


@given(array=hnp.arrays(KINDS, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)))
def test_an_array_comes_back_as_it_was(array: np.ndarray) -> None:
    found = arrays.decode(arrays.encode(array))
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()


def test_an_array_in_a_mapped_file_stays_there(tmp_path: Path) -> None:
    # given
    path = tmp_path / "array.npy"
    path.write_bytes(arrays.encode(np.arange(1_000, dtype=np.int64)))

    # when
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        found = arrays.decode(memoryview(mapped))

        # then
        assert np.shares_memory(found, np.frombuffer(mapped, dtype=np.uint8))
        assert not found.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            found[0] = 1
        del found


def test_an_array_over_bytes_that_may_change_is_read_only_all_the_same() -> None:
    assert not arrays.decode(memoryview(bytearray(arrays.encode(np.zeros(3))))).flags.writeable


def test_values_that_do_not_lie_where_a_processor_wants_them_are_refused() -> None:
    # given: a header one byte shorter than numpy's
    whole = arrays.encode(np.zeros(3))
    length = int.from_bytes(whole[8:10], "little")
    odd = whole[:8] + (length - 1).to_bytes(2, "little") + whole[10 : 9 + length - 1] + b"\n" + whole[10 + length :]

    # then
    with pytest.raises(ValueError, match="do not lie where"):
        arrays.decode(odd)


#: What Python could read out of a header, and no array of ours has.
HEADERS = {
    "a negative length": "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
    "two negative lengths": "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1), }",
    "a length past all numbers": "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 1180591620717411303424), }",
    "a length that nothing fills": "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 99999999999), }",
    "no dimension": "{'descr': '<f4', 'fortran_order': False, 'shape': (), }",
    "a truth for a length": "{'descr': '<f4', 'fortran_order': False, 'shape': (True,), }",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "fields": "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
    "arrays of arrays": "{'descr': ('<f4', (1000000000,)), 'fortran_order': False, 'shape': (0,), }",
    "values of no size": "{'descr': '|V0', 'fortran_order': False, 'shape': (0,), }",
    "text": "{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }",
    "times": "{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (0,), }",
    "another byte order": "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }",
    "columns first": "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }",
    "a key too many": "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1, }",
    "nested beyond reason": "{'descr': " + "(" * 5_000,
    "an expression": "{'descr': '<f4', 'fortran_order': False, 'shape': (1+0j,), }",
    "nothing": "",
}


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_that_is_not_an_arrays_is_refused_and_never_run(header: str) -> None:
    text = HEADERS[header].encode().ljust(117) + b"\n"
    with pytest.raises(ValueError, match=r"header|plain array|values"):
        arrays.decode(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"\0" * 4)
