"""Every layout of series read alike, and every fault of the input named."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from skrnn.forecasting.reading import read_series

DAYS = pd.date_range("2024-02-20", periods=12, freq="D")
VALUES = np.arange(36.0).reshape(3, 12)


def tidy(n_columns=1):
    """Nixtla's table: a key, a time and values."""
    table = pd.DataFrame({"unique_id": np.repeat(["x", "y", "z"], 12), "ds": np.tile(DAYS, 3)})
    for i in range(n_columns):
        table["y" if i == 0 else f"y{i}"] = VALUES.ravel() + 1000.0 * i
    return table


def shop(**columns):
    """A frame with a target, a number and a category."""
    frame = pd.DataFrame(
        {
            "sales": np.arange(12.0),
            "price": np.arange(12.0)[::-1],
            "sky": pd.Categorical(list("aabbccaabbcc"), categories=list("abcd")),
        },
        index=DAYS,
    )
    return frame.assign(**columns)


LAYOUTS = {
    "2-D array": VALUES,
    "2-D array of other memory order": np.asfortranarray(VALUES),
    "3-D array": VALUES[:, :, np.newaxis],
    "list of arrays": list(VALUES),
    "list of columns": [row[:, np.newaxis] for row in VALUES],
    "tuple of lists": tuple(row.tolist() for row in VALUES),
    "object array": None,
    "tidy frame": tidy().set_index(["unique_id", "ds"]),
    "tidy series": tidy().set_index(["unique_id", "ds"])["y"],
    "interleaved frame": tidy().sort_values(["ds", "unique_id"]).set_index(["unique_id", "ds"]),
    "list of series": [pd.Series(row, DAYS) for row in VALUES],
    "list of frames": [pd.DataFrame({"y": row}, DAYS) for row in VALUES],
    "integers": VALUES.astype(int),
    "objects": VALUES.astype(object),
    "nullable": tidy().set_index(["unique_id", "ds"]).astype("Float64"),
}
LAYOUTS["object array"] = np.empty(3, dtype=object)
LAYOUTS["object array"][:] = list(VALUES)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_many_series_are_read_alike(layout):
    series_set = read_series(LAYOUTS[layout])
    np.testing.assert_array_equal(series_set.values, VALUES.reshape(-1, 1))
    assert series_set.values.dtype == np.float64
    assert series_set.values.flags.c_contiguous
    assert series_set.offsets.tolist() == [0, 12, 24, 36]
    assert series_set.targets.tolist() == [0]
    assert series_set.past.size == series_set.known.size == 0
    assert len(series_set.keys) == 3


@pytest.mark.parametrize(
    "X", [VALUES[0], VALUES[0].tolist(), pd.Series(VALUES[0]), pd.Series(VALUES[0], DAYS),
          pd.DataFrame({"y": VALUES[0]}, DAYS), pd.Series(VALUES[0], DAYS.to_period())]
)  # fmt: skip
def test_one_series_has_no_key(X):
    series_set = read_series(X)
    assert series_set.keys is None
    assert series_set.form.is_lone
    np.testing.assert_array_equal(series_set.series(0)[:, 0], VALUES[0])


@given(
    dtypes=st.lists(st.sampled_from(["f4", "f8", "i8", "f2", "?"]), min_size=1, max_size=3),
    layout=st.sampled_from(["frame", "3-D"]),
)
def test_float32_stays_float32(dtypes, layout):
    columns = {f"c{i}": np.ones(12, dtype) for i, dtype in enumerate(dtypes)}
    X = pd.DataFrame(columns, DAYS)
    if layout == "3-D":
        X = X.to_numpy()[np.newaxis]
        dtypes = [X.dtype.str[1:]]
    small = all(dtype in ("f4", "f2", "|f4") for dtype in dtypes)
    assert read_series(X).values.dtype == (np.float32 if small else np.float64)


def test_predict_computes_in_the_type_of_fit():
    trained = read_series(VALUES.astype("f4"))
    assert read_series(VALUES, like=trained).values.dtype == np.float32
    with pytest.raises(ValueError, match="too large for float32, the first in series 0, at step 3"):
        read_series(np.where(VALUES == 3, 1e300, VALUES), like=trained)


def test_3d_rows_may_end_in_padding_and_have_gaps_inside():
    X = np.stack([VALUES.T, VALUES.T]).copy()
    X[1, 8:] = np.nan
    X[0, 4] = np.nan
    X[1, 2, 1] = np.nan
    series_set = read_series(X)
    assert series_set.lengths.tolist() == [12, 8]
    assert np.isnan(series_set.series(0)[4]).all()


def test_missing_values_of_a_2d_array_stay():
    X = VALUES.copy()
    X[1, 8:] = np.nan
    assert read_series(X).lengths.tolist() == [12, 12, 12]


def test_several_levels_of_series():
    frame = tidy()
    index = pd.MultiIndex.from_arrays(
        [np.repeat(["n", "n", "s"], 12), frame["unique_id"], frame["ds"]],
        names=["region", "shop", "day"],
    )
    series_set = read_series(pd.Series(VALUES.ravel(), index))
    assert list(series_set.keys) == [("n", "x"), ("n", "y"), ("s", "z")]
    assert series_set.name_of(2) == "('s', 'z')"


@pytest.mark.parametrize("key", [3, "x", pd.Timestamp("2020"), 2.5])
def test_keys_may_be_anything(key):
    index = pd.MultiIndex.from_product([[key], DAYS])
    assert read_series(pd.Series(VALUES[0], index)).keys[0] == key


# --- columns -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "targets", "past", "known"),
    [
        ({}, ["a", "b", "c"], [], []),
        ({"target": "b"}, ["b"], ["a", "c"], []),
        ({"target": ["c", "a"]}, ["c", "a"], ["b"], []),
        ({"known_future": "b"}, ["a", "c"], [], ["b"]),
        ({"target": "a", "known_future": ["c"]}, ["a"], ["b"], ["c"]),
        ({"target": "c", "known_future": ["b", "a"]}, ["c"], [], ["b", "a"]),
    ],
)
@pytest.mark.parametrize("layout", ["frame", "array"])
def test_columns_are_divided(options, targets, past, known, layout):
    X = pd.DataFrame(np.arange(36.0).reshape(12, 3), DAYS, columns=list("abc"))
    if layout == "array":
        X = X.to_numpy()[np.newaxis]
        places = dict(zip("abc", range(3)))
        options = {
            name: places[value] if isinstance(value, str) else [places[v] for v in value]
            for name, value in options.items()
        }
    series_set = read_series(X, **options)
    names = list("abc")
    assert [names[i] for i in series_set.targets] == targets
    assert [names[i] for i in series_set.past] == past
    assert [names[i] for i in series_set.known] == known


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "salse"}, r"target names 'salse', which is not among.*\['sales', 'price'"),
        ({"target": ["sales", 4]}, "target names 4"),
        ({"target": ["sales", "sales"]}, "target names a column twice"),
        ({"known_future": "prices"}, "known_future names 'prices'"),
        ({"target": "sales", "known_future": "sales"}, "'sales' is in target and in known_future"),
        ({"known_future": ["sales", "price", "sky"]}, "No column is left to forecast"),
        ({"target": []}, "No column is left to forecast"),
        ({}, "'sky' is categorical and cannot be forecast"),
        ({"target": ["sky"]}, "'sky' is categorical and cannot be forecast"),
    ],
)
def test_columns_that_are_not_there_or_twice(options, message):
    with pytest.raises(ValueError, match=message):
        read_series(shop(), **options)


def test_columns_of_an_array_are_numbers():
    with pytest.raises(ValueError, match="target names 3, which is not among"):
        read_series(np.zeros((2, 5, 3)), target=3)
    with pytest.raises(ValueError, match="target names 'y'"):
        read_series(np.zeros((2, 5, 3)), target="y")


def test_columns_may_be_tuples():
    frame = pd.DataFrame(
        np.ones((12, 2)), DAYS, columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    )
    assert read_series(frame, target=("b", 2)).targets.tolist() == [1]
    assert read_series(frame, target=[("b", 2), ("a", 1)]).targets.tolist() == [1, 0]


def test_columns_come_in_the_order_of_fit():
    trained = read_series(shop(), target="sales")
    again = read_series(shop()[["sky", "price", "sales"]], like=trained)
    np.testing.assert_array_equal(again.values, trained.values)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (shop().drop(columns="price"), "lacks the column 'price'.*'sales', 'price', 'sky'"),
        (shop(wind=1.0), "has the column 'wind', which fit did not see"),
        (shop()["sales"], r"has 1 column\(s\), but fit had 3"),
        (np.ones((12, 2))[np.newaxis], r"has 2 column\(s\), but fit had 3"),
        (shop(price="dear"), "Column 'price' of X holds strings"),
        (shop(price=shop()["sky"]), "'price' of X is categorical, but it was numeric in fit"),
    ],
)
def test_columns_unlike_those_of_fit(X, message):
    trained = read_series(shop(), target="sales")
    with pytest.raises(ValueError, match=message):
        read_series(X, like=trained)


def test_a_forecaster_of_many_series_reads_one_and_the_other_way_round():
    many = read_series(tidy().set_index(["unique_id", "ds"]))
    for X in (pd.Series(VALUES[1], DAYS, name="other"), VALUES[1], VALUES, list(VALUES)):
        read_series(X, like=many)
    one = read_series(pd.Series(VALUES[1], DAYS, name="other"))
    assert len(read_series(tidy().set_index(["unique_id", "ds"]), like=one)) == 3
    array = read_series(VALUES)
    assert read_series(pd.Series(VALUES[1], DAYS), like=array).freq.freqstr == "D"


# --- categories --------------------------------------------------------------------------------


def test_categories_become_indicators():
    series_set = read_series(shop(), target="sales")
    assert series_set.column_names == ["sales", "price", "sky=a", "sky=b", "sky=c", "sky=d"]
    assert series_set.past.tolist() == [1, 2, 3, 4, 5]
    expected = pd.get_dummies(shop()["sky"]).to_numpy(dtype=float)
    np.testing.assert_array_equal(series_set.values[:, 2:], expected)


@pytest.mark.parametrize("as_dtype", ["category", object, "string"])
def test_categories_are_those_of_fit(as_dtype):
    trained = read_series(shop(), target="sales")
    sky = pd.Series(["b", "new", None, "d"] * 3, DAYS).astype(as_dtype)
    again = read_series(shop(sky=sky), like=trained)
    np.testing.assert_array_equal(again.values[0, 2:], [0, 1, 0, 0])
    np.testing.assert_array_equal(again.values[1, 2:], [0, 0, 0, 0])
    assert np.isnan(again.values[2, 2:]).all()
    np.testing.assert_array_equal(again.values[3, 2:], [0, 0, 0, 1])


@pytest.mark.parametrize("values", [[1, 2, 5], [True, False], [1.5, 2.5]])
def test_categories_may_be_numbers(values):
    sky = pd.Categorical(np.resize(values, 12))
    trained = read_series(shop(sky=sky), target="sales")
    again = read_series(shop(sky=np.resize(values, 12)), like=trained)
    np.testing.assert_array_equal(again.values, trained.values)


@given(codes=st.lists(st.integers(-1, 3), min_size=12, max_size=12))
def test_indicators_are_one_a_row(codes):
    sky = pd.Categorical.from_codes(codes, categories=list("abcd"))
    indicators = read_series(shop(sky=sky), target="sales").values[:, 2:]
    for code, row in zip(codes, indicators, strict=True):
        assert np.isnan(row).all() if code < 0 else row.tolist() == np.eye(4)[code].tolist()


def test_a_category_leaves_float32():
    frame = shop().astype({"sales": "f4", "price": "f4"})
    assert read_series(frame, target="sales").values.dtype == np.float32


# --- static covariates -------------------------------------------------------------------------


def panel_with_regions():
    frame = tidy().assign(region=pd.Categorical(np.repeat(["n", "s", "n"], 12)), size=1.5)
    return frame.set_index(["unique_id", "ds"])


def test_static_columns_are_taken_out_of_x():
    series_set = read_series(panel_with_regions(), static=["region", "size"])
    assert series_set.column_names == ["y"]
    np.testing.assert_array_equal(series_set.static, [[1, 0, 1.5], [0, 1, 1.5], [1, 0, 1.5]])
    again = read_series(panel_with_regions().loc[["y"]], like=series_set)
    np.testing.assert_array_equal(again.static, [[0, 1, 1.5]])


def test_a_static_table_is_looked_up_by_series():
    table = pd.DataFrame(
        {"region": pd.Categorical(["s", "n", "s", "n"]), "size": [1.0, 2.0, 3.0, 4.0]},
        index=["y", "x", "w", "z"],
    )
    X = tidy().set_index(["unique_id", "ds"])
    series_set = read_series(X, static=table)
    np.testing.assert_array_equal(series_set.static, [[1, 0, 2], [0, 1, 1], [1, 0, 4]])
    unseen = X.loc[["y"]].rename(index={"y": "w"}, level=0)
    np.testing.assert_array_equal(read_series(unseen, like=series_set).static, [[0, 1, 3]])
    with pytest.raises(ValueError, match=r"Series 'v' is not in the static table.*before fit"):
        read_series(X.rename(index={"y": "v"}, level=0), like=series_set)
    with pytest.raises(ValueError, match="one series without a key, but fit had a static table"):
        read_series(X["y"].loc["x"], like=series_set)


def test_a_static_table_of_an_array_has_a_row_a_series():
    series_set = read_series(VALUES, static=np.array([1.0, 2.0, 3.0]))
    assert series_set.static.ravel().tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match=r"static has shape \(2, 1\), but X holds 3 series"):
        read_series(VALUES, static=np.ones((2, 1)))
    with pytest.raises(ValueError, match="Series 3 is not in the static table"):
        read_series(np.ones((4, 12)), like=series_set)


@pytest.mark.parametrize(
    ("static", "message"),
    [
        (pd.DataFrame({"size": [1.0, 2.0]}, index=["x", "y"]), "'z' is not in the static table"),
        (pd.DataFrame({"s": np.ones(4)}, index=list("xyzx")), "two rows for series 'x'"),
        (pd.DataFrame({"s": [1, np.nan, 3]}, index=list("xyz")), "'s' of series 'y' is nan"),
        (pd.DataFrame({"s": list("abc")}, index=list("xyz")), "'s' of static holds strings"),
        (["y", "size"], "No column is left"),
        (["size", "colour"], "static names 'colour'"),
    ],
)
def test_static_covariates_that_are_not_right(static, message):
    with pytest.raises(ValueError, match=message):
        read_series(panel_with_regions().drop(columns="region"), static=static)


def test_static_columns_must_not_change():
    X = panel_with_regions()
    X.loc[("y", DAYS[4]), "size"] = 2.0
    with pytest.raises(ValueError, match=r"'size' is named in static.*series 'y' from 1.5 to 2.0"):
        read_series(X.drop(columns="region"), static=["size"])
    with pytest.raises(ValueError, match="'size' is in target and in static"):
        read_series(X.drop(columns="region"), static=["size"], target="size")


def test_a_lone_series_has_no_static_table():
    with pytest.raises(ValueError, match="X is one series without a key"):
        read_series(VALUES[0], static=np.ones((1, 1)))


# --- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (pd.Series([], dtype=float), "no rows"),
        (np.empty((0, 5)), "empty"),
        (np.empty(0), "empty"),
        ([], "empty"),
        (pd.DataFrame(index=DAYS), "no columns"),
        (np.zeros((2, 3, 4, 5)), "4 dimensions"),
        (5.0, "X is 5.0, which is no series"),
        (None, "X is None, which is no series"),
        ({"a": [1.0]}, "X is a dict"),
        (sparse.eye(3), r"Pass X.toarray\(\)"),
        ([np.zeros(3), np.zeros(0)], r"Series 1 of X has shape \(0,\)"),
        ([np.zeros((3, 2)), np.zeros((3, 1))], "Series 1 of X has 1 columns, but series 0 has 2"),
        ([np.zeros(3), pd.Series([1.0])], "Series 1 of X is a pandas object"),
        ([pd.Series([1.0]), pd.Series([], dtype=float)], "Series 1 of X has no rows"),
        ([[1.0, 2.0], ["a"]], r"[Ss]eries 1 of X .*'a'"),
        (["a", "b"], "strings"),
        (np.array([1 + 2j]), "Complex"),
        (np.zeros((5, 1)), r"5 series of one step each.*X.ravel\(\)"),
        (tidy(), r"set_index\(\['unique_id', 'ds'\]\)"),
        (tidy()[["ds", "y"]], r"Column 'ds' of X holds times.*set_index\('ds'\)"),
        (shop(sky="grey"), "Column 'sky' of X holds strings.*astype"),
        (shop(sky=[1.0, "grey"] * 6), "Column 'sky' of X holds strings.*'grey'"),
        (shop(sky=DAYS), "Column 'sky' of X holds times"),
        (shop(sky=[[1]] * 12), "Column 'sky' of X"),
        (pd.concat([shop(), shop()], axis=1), "two columns named 'sales'"),
        (pd.Series(list("ab") * 6, DAYS), "Column 0 of X holds strings"),
        (np.ma.masked_equal(VALUES, 3.0), "masked"),
    ],
)
def test_what_is_no_series(X, message):
    with pytest.raises((ValueError, TypeError), match=message):
        read_series(X)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_named(value):
    X = tidy(2).set_index(["unique_id", "ds"])
    X.iloc[16, 1] = value
    message = "infinity.*in series 'y', at 2024-02-24, in column 'y1'"
    with pytest.raises(ValueError, match=message):
        read_series(X)
    with pytest.raises(ValueError, match="the first in series 1, at step 4, in column 1"):
        read_series(X.to_numpy().reshape(3, 12, 2))
    with pytest.raises(ValueError, match="the first at step 4"):
        read_series(X["y1"].loc["y"].to_numpy())


def test_a_series_without_a_value_is_named():
    X = tidy(2).set_index(["unique_id", "ds"])
    X.loc["y", "y1"] = np.nan
    message = r"Series 'y' of X has no value in column 'y1': all its 12 rows are NaN"
    with pytest.raises(ValueError, match=message):
        read_series(X)
    assert len(read_series(X, target="y")) == 3
    with pytest.raises(ValueError, match="X has no value: all its 12 rows are NaN"):
        read_series(X["y1"].loc["y"])
    with pytest.raises(ValueError, match="Series 1 of X has no value: all its steps are NaN"):
        read_series(np.stack([np.ones((4, 1)), np.full((4, 1), np.nan)]))


def test_a_row_without_a_series():
    index = pd.MultiIndex.from_arrays([["x", None], DAYS[:2]])
    with pytest.raises(ValueError, match="Row 1 of X has no series"):
        read_series(pd.Series([1.0, 2.0], index), freq="D")


def test_faults_of_time_name_the_series():
    X = tidy().set_index(["unique_id", "ds"])
    with pytest.raises(ValueError, match="gap in series 'y': 2024-02-25 is missing"):
        read_series(X.drop(("y", DAYS[5])))
    with pytest.raises(ValueError, match="2024-02-20 occurs twice in series 'x'"):
        read_series(pd.concat([X.iloc[:1], X]))
    with pytest.raises(ValueError, match="in series 'x' are not sorted"):
        read_series(X[::-1].loc[["x", "y", "z"]])


def test_the_order_of_the_series_is_that_of_their_first_rows():
    X = tidy().set_index(["unique_id", "ds"]).loc[["z", "x", "y"]]
    assert list(read_series(X).keys) == ["z", "x", "y"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_series_are_copies_of_x(layout):
    X = LAYOUTS[layout]
    read_series(X).values[:] = -1
    np.testing.assert_array_equal(read_series(X).values, VALUES.reshape(-1, 1))


def test_a_read_only_array_is_read():
    X = VALUES.copy()
    X.setflags(write=False)
    assert read_series(X).values.flags.writeable
