"""The columns that the feature store adds to what it joins and scores."""

#: Columns that the feature store adds to a training set, never model inputs: when the matched row
#: of a feature table became known (null: no match), or whether a static table had the key.
AS_OF_PREFIX = "__as_of_"
MATCHED_PREFIX = "__matched_"
SPLIT_COLUMN = "__split"
#: The column that scores are stored in, and the one with the readable class of a predicted code.
PREDICTION = "prediction"
PREDICTED_CLASS = "predicted_class"
