"""Which cases the whole suite runs by default."""

from tests.thinned import MOST, few_of_each


class Item:
    def __init__(self, nodeid, marker=None):
        self.nodeid, self.marker = nodeid, marker

    def get_closest_marker(self, name):
        return name if name == self.marker else None


def test_of_each_function_a_few_cases_in_their_order_and_always_the_same():
    many = [Item(f"a.py::test_many[{i}]") for i in range(100)]
    few = [Item("a.py::test_one"), *(Item(f"b.py::test_many[{i}]") for i in range(MOST))]
    all_of_them = [Item(f"a.py::test_all[{i}]", "every_case") for i in range(100)]
    kept, left_out = few_of_each([*many, *few, *all_of_them])
    assert kept[MOST:] == [*few, *all_of_them] and set(kept[:MOST]) | set(left_out) == set(many)
    assert kept[:MOST] == sorted(kept[:MOST], key=many.index) and len(left_out) == 100 - MOST
    assert few_of_each([*many, *few, *all_of_them]) == (kept, left_out)
    assert [many.index(item) for item in kept[:MOST]] != list(range(MOST))
