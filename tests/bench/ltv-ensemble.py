# SPDX-License-Identifier: GPL-3.0-or-later
"""What bench-ltv-ensemble needs beside the programs: features of Online Retail, splits, scikit-learn, figures.

usage: ltv-ensemble.py retail INVOICES DIR            log.csv and features.csv of what was bought to 2011-06-09
       ltv-ensemble.py split FILE DIR SEED PARTS      trainN.csv and testN.csv
       ltv-ensemble.py peers TRAIN TEST TARGET OUT    scikit-learn's predictions and quantiles of TEST
       ltv-ensemble.py figures TARGET FILE...         a line: mae rmse gini ratio pinball n coverage worst-decile best-decile
"""
import sys

import numpy as np
import pandas as pd

QUANTILES = (0.1, 0.5, 0.9)


def retail(source, folder):
    log = pd.read_csv(source)
    log["date"] = pd.to_datetime(log.datetime.str[:10])
    log = log[~log.invoice.str.startswith("C") & (log.value > 0)]
    cut = pd.Timestamp("2011-06-09")
    before = log[log.date <= cut]
    after = log[(log.date > cut) & (log.date <= cut + pd.Timedelta(days=183))]
    days = before.groupby(["id", "date"]).value.sum().reset_index()
    by = days.groupby("id")
    out = pd.DataFrame({"orders": before.groupby("id").size()})
    out["since"] = (cut - by.date.max()).dt.days
    out["total"] = by.value.sum()
    out["largest"] = by.value.max()
    out["latest"] = days.sort_values("date").groupby("id").value.last()
    for span in (30, 60, 90):
        window = days[days.date > cut - pd.Timedelta(days=span)].groupby("id").value
        out[f"sum_{span}"] = window.sum().reindex(out.index).fillna(0)
        out[f"days_{span}"] = window.size().reindex(out.index).fillna(0)
    out["spend_183d"] = after.groupby("id").value.sum().reindex(out.index).fillna(0)
    out.index.name = "customer_id"
    out.reset_index().to_csv(f"{folder}/features.csv", index=False)
    log = before.rename(columns={"id": "customer_id", "value": "amount"})
    log[["customer_id", "date", "amount"]].to_csv(f"{folder}/log.csv", index=False)


def split(path, folder, seed, parts):
    table = pd.read_csv(path)
    part = np.random.RandomState(seed).permutation(len(table)) % parts
    for i in range(parts):
        table[part != i].to_csv(f"{folder}/train{i}.csv", index=False)
        table[part == i].to_csv(f"{folder}/test{i}.csv", index=False)


def peers(train, test, target, out):
    from sklearn.ensemble import HistGradientBoostingRegressor as Boosting
    from sklearn.preprocessing import OrdinalEncoder

    train, test = pd.read_csv(train), pd.read_csv(test)
    drop = [c for c in train if c == target or c.endswith("_id") or c == "install_date"]
    x, y = train.drop(columns=drop), train[target]
    texts = [c for c in x if x[c].dtype == object]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    new = test[x.columns].copy()
    if texts:
        x[texts] = encoder.fit_transform(x[texts])
        new[texts] = encoder.transform(new[texts])
    categories = [c in texts for c in x]

    def fit(**how):
        return Boosting(random_state=0, categorical_features=categories, **how).fit(x, y).predict(new)

    quantiles = {f"ltv_q{q}": fit(loss="quantile", quantile=q) for q in QUANTILES}
    for loss in ("squared_error", "poisson"):
        said = test[[target]].assign(predicted_ltv=fit(loss=loss), ltv_lo=np.nan, ltv_hi=np.nan, **quantiles)
        said.to_csv(f"{out}-{loss}.csv", index=False)


def gini(actual, predicted):
    def area(key):
        frame = pd.DataFrame({"key": key, "value": actual})
        frame["value"] = frame.groupby("key").value.transform("mean")
        frame = frame.sort_values("key", ascending=False)
        return (np.cumsum(frame.value) / frame.value.sum()).mean() - 0.5

    return area(predicted) / area(actual)


def figures(target, *paths):
    table = pd.concat([pd.read_csv(path) for path in paths])
    actual, said = table[target].to_numpy(), table.predicted_ltv.to_numpy()
    pinball = 0
    for q in QUANTILES:
        error = actual - table[f"ltv_q{q}"].to_numpy()
        pinball += np.where(error > 0, q * error, (q - 1) * error).mean() / len(QUANTILES)
    seen = table[table.ltv_hi > 0]
    inside = (seen[target] >= seen.ltv_lo) & (seen[target] <= seen.ltv_hi)
    deciles = [np.nan]
    if len(seen) >= 2000:
        deciles = inside.groupby(pd.qcut(seen.predicted_ltv.rank(method="first"), 10, labels=False)).mean()
    print(np.abs(said - actual).mean(), np.sqrt(((said - actual) ** 2).mean()), gini(actual, said),
          said.sum() / actual.sum(), pinball, len(seen), inside.mean() if len(seen) else np.nan,
          np.min(deciles), np.max(deciles))


if __name__ == "__main__":
    command, rest = sys.argv[1], sys.argv[2:]
    if command == "retail":
        retail(*rest)
    elif command == "split":
        split(rest[0], rest[1], int(rest[2]), int(rest[3]))
    elif command == "peers":
        peers(*rest)
    else:
        figures(*rest)
