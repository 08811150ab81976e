"""The printed score of the production model: which hold-outs give it."""

import numpy as np
import pytest

from sercore.page import read_number


@pytest.fixture(scope="module")
def page(page_functions):
    return page_functions("production_model")


def test_394_of_522_is_the_only_count_behind_the_printed_score(page):
    """522 is 5 % of the 10,431 utterances of both corpora, 276 or 277 of IEMOCAP's 5,531."""
    printed = read_number("WA", table="V-A")
    assert printed == 75.48
    found = {size: page.find_counts(printed, size).tolist() for size in (245, 276, 277, 521, 522)}
    assert found == {245: [], 276: [], 277: [], 521: [], 522: [394]}


def test_hold_outs_are_five_percent_of_the_corpora_of_table_one():
    corpora, share = ("iemocap", "cremad", "iemocap+cremad"), read_number("hold_out", table="V-A") / 100
    sizes = [share * read_number("utterances", "I", corpus) for corpus in corpora]
    assert [(int(np.floor(size)), int(np.ceil(size))) for size in sizes] == [(276, 277), (245, 245), (521, 522)]


@pytest.mark.parametrize(("percent", "size", "counts"), [(50.0, 4, [2]), (33.33, 3, [1]), (0.0, 7, [0]), (12.5, 7, [])])
def test_counts_print_as_the_percentage(page, percent, size, counts):
    assert page.find_counts(percent, size).tolist() == counts


def test_a_half_counts_for_both_neighbors(page):
    """1 / 16 is 6.25 %; with two digits 1 / 32 = 3.125 % is printed as 3.12 or 3.13."""
    assert page.find_counts(3.12, 32).tolist() == page.find_counts(3.13, 32).tolist() == [1]
