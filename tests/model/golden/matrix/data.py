"""scikit-learn's bundled data sets as frames, and one of people with texts and holes."""
import numpy as np
import pandas as pd
from sklearn import datasets

SHORT = {"iris": ["sl", "sw", "pl", "pw"]}


def bundled(name, columns=None, **options):
    """(X, y) of a data set; only its first columns, to keep the files small."""
    bunch = getattr(datasets, f"load_{name}")(as_frame=True, **options)
    X = bunch.data.iloc[:, :columns].astype(float)
    X.columns = SHORT.get(name) or [str(c).replace(" ", "_").replace("(", "").replace(")", "") for c in X.columns]
    return X, bunch.target


def diabetes():
    return bundled("diabetes", 4, scaled=False)


def pixels():
    """The digits as one column of arrays, and the same as a matrix."""
    images, target = datasets.load_digits(return_X_y=True)
    return pd.DataFrame({"pixels": list(images)}), images, target


def with_holes(X, share=0.12, seed=5):
    """Some cells of each second column missing."""
    rng = np.random.default_rng(seed)
    X = X.copy()
    for c in X.columns[::2]:
        X.loc[rng.random(len(X)) < share, c] = np.nan
    return X


def people(marker=None):
    """Numbers, whole numbers, booleans and texts, some missing; a label that depends on all, and an amount."""
    rng = np.random.default_rng(11)
    n = 400
    X = pd.DataFrame({
        "age": rng.normal(40, 12, n).round(1), "income": rng.gamma(2, 20, n).round(2), "kids": rng.integers(0, 5, n),
        "city": rng.choice(["Bern", "Oslo", "Rome", "Zürich"], n, p=[0.4, 0.3, 0.2, 0.1]),
        "job": rng.choice(np.array(["cook", "nurse", "smith"], dtype=object), n), "member": rng.random(n) > 0.6,
    })
    drive = 0.05 * (X.age - 40) + 0.02 * (X.income - 40) + 0.5 * X.kids + (X.city == "Rome") + 0.7 * X.member
    label = (drive + rng.logistic(size=n) > 1.5).astype(int)
    X.loc[rng.random(n) < 0.15, "age"] = np.nan
    X["job"] = [marker if hole else job for hole, job in zip(rng.random(n) < 0.2, X.job)]
    return X, label, (10 * drive + rng.random(n)).round(3)
