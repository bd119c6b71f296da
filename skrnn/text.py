"""Text as sequences of token ids, for networks with an embedding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils._param_validation import HasMethods, Interval, RealNotInt, StrOptions
from sklearn.utils.validation import check_is_fitted

PADDING_ID, UNKNOWN_ID = 0, 1
_SPECIAL_NAMES = ("<pad>", "<unk>")
# Words, and every other visible character by itself: in a sequence "I", "a", "!" and "?" count.
_TOKEN_PATTERN = r"(?u)\w+|[^\w\s]"


def _as_it_is(tokens):
    return tokens


def _shortened(text, width=30):
    shown = repr(text)
    return shown if len(shown) <= width else f"{shown[: width - 3]}...{shown[-1]}"


class SequenceTokenizer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    r"""Turn documents into sequences of token ids.

    The parameters are those of :class:`~sklearn.feature_extraction.text.CountVectorizer` and mean
    the same; where that counts tokens, this keeps their order. Its output is what an estimator
    with `embedding_dim` takes: a list of integer arrays, each as long as its document.

    A document is a string. It may also be a list or tuple of strings, which are then its tokens:
    with ``analyzer="word"`` each is preprocessed (`lowercase`, `strip_accents`, `preprocessor`)
    but neither split nor left out, so that labels of every word stay aligned.

    Id 0 is padding: no token has it, so that ids may be filled up with zeros where a rectangle is
    wanted. Id 1 stands for every token that is not in the vocabulary. If `fit` leaves none out, as
    by default, nothing is learned about id 1; with ``min_df=2`` the rare tokens of the training
    documents teach the network what to make of an unknown one.

    Parameters
    ----------
    lowercase : bool, default=True
        Convert to lower case first.
    preprocessor : callable, default=None
        ``preprocessor(document)`` replaces the conversion to lower case and the removal of
        accents.
    tokenizer : callable, default=None
        ``tokenizer(document)`` returns the words of a preprocessed document; it replaces
        `token_pattern`. For ``analyzer="word"`` only.
    stop_words : {"english"}, list of str or None, default=None
        Words to leave out. For ``analyzer="word"`` and documents that are strings.
    token_pattern : str or None, default=r"(?u)\w+|[^\w\s]"
        What a word is. The default takes words of any length, and each punctuation mark as a
        token of its own; that of `CountVectorizer` drops both "I" and "!".
    analyzer : {"word", "char"} or callable, default="word"
        What a token is: a word, or a character. Characters are kept as they are, white space and
        line ends too. ``analyzer(document)`` of a callable returns the tokens, which must be
        strings; it replaces every step above.
    strip_accents : {"ascii", "unicode"}, callable or None, default=None
        Remove accents.
    max_df : float in [0, 1] or int, default=1.0
        Ignore tokens that occur in more documents than this, as a fraction or a number of
        documents. They become unknown tokens; they do not vanish.
    min_df : float in [0, 1] or int, default=1
        Likewise for tokens that occur in fewer documents.
    max_features : int, default=None
        Keep only the most frequent tokens.
    vocabulary : mapping of str to int or iterable of str, default=None
        Tokens to know instead of those found in the documents: with their ids, which start at 2,
        or in the order of their ids.
    encoding : str, default="utf-8"
        Of documents that are bytes.
    decode_error : {"strict", "ignore", "replace"}, default="strict"
        What to do with bytes that are not of that encoding.
    handle_unknown : {"use_unknown_id", "error"}, default="use_unknown_id"
        What `transform` does with a token that is not in the vocabulary.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        Id of each token. The first is 2; those found by `fit` are in alphabetical order.
    fixed_vocabulary_ : bool
        Whether the vocabulary was given.
    padding_id_ : int
        The id that no token has, 0.
    unknown_id_ : int
        The id of all tokens outside the vocabulary, 1.
    n_tokens_ : int
        One more than the largest id: the rows that an embedding needs.

    See Also
    --------
    sklearn.feature_extraction.text.CountVectorizer : Counts tokens, whatever their order.

    Notes
    -----
    Of `CountVectorizer`'s parameters `ngram_range`, ``analyzer="char_wb"`` and `binary` are
    missing, which make no sequence, `input`, and `dtype`: ids are int64.

    Examples
    --------
    >>> from skrnn import SequenceTokenizer
    >>> tokenizer = SequenceTokenizer().fit(["I love this movie!", "I hate it"])
    >>> tokenizer.get_feature_names_out().tolist()
    ['<pad>', '<unk>', '!', 'hate', 'i', 'it', 'love', 'movie', 'this']
    >>> tokenizer.transform(["I love it so"])
    [array([4, 6, 5, 1])]
    >>> tokenizer.inverse_transform([[4, 6, 5, 1]])
    ['i love it <unk>']
    >>> characters = SequenceTokenizer(analyzer="char", lowercase=False).fit(["abba"])
    >>> characters.transform(["baa"])
    [array([3, 2, 2])]
    >>> characters.inverse_transform([[3, 2, 2]])
    ['baa']
    """

    _parameter_constraints: dict = {
        "lowercase": ["boolean"],
        "preprocessor": [callable, None],
        "tokenizer": [callable, None],
        "stop_words": [StrOptions({"english"}), list, None],
        "token_pattern": [str, None],
        "analyzer": [StrOptions({"word", "char"}), callable],
        "strip_accents": [StrOptions({"ascii", "unicode"}), None, callable],
        "max_df": [
            Interval(RealNotInt, 0, 1, closed="both"),
            Interval(Integral, 1, None, closed="left"),
        ],
        "min_df": [
            Interval(RealNotInt, 0, 1, closed="both"),
            Interval(Integral, 1, None, closed="left"),
        ],
        "max_features": [Interval(Integral, 1, None, closed="left"), None],
        "vocabulary": [Mapping, HasMethods("__iter__"), None],
        "encoding": [str],
        "decode_error": [StrOptions({"strict", "ignore", "replace"})],
        "handle_unknown": [StrOptions({"use_unknown_id", "error"})],
    }

    def __init__(
        self,
        *,
        lowercase=True,
        preprocessor=None,
        tokenizer=None,
        stop_words=None,
        token_pattern=_TOKEN_PATTERN,
        analyzer="word",
        strip_accents=None,
        max_df=1.0,
        min_df=1,
        max_features=None,
        vocabulary=None,
        encoding="utf-8",
        decode_error="strict",
        handle_unknown="use_unknown_id",
    ):
        self.lowercase = lowercase
        self.preprocessor = preprocessor
        self.tokenizer = tokenizer
        self.stop_words = stop_words
        self.token_pattern = token_pattern
        self.analyzer = analyzer
        self.strip_accents = strip_accents
        self.max_df = max_df
        self.min_df = min_df
        self.max_features = max_features
        self.vocabulary = vocabulary
        self.encoding = encoding
        self.decode_error = decode_error
        self.handle_unknown = handle_unknown

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.no_validation = False
        return tags

    # ------------------------------------------------------------------- fit

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the vocabulary.

        Parameters
        ----------
        X : iterable of str, bytes, or list of str, of length n_documents
            The documents.
        y : None
            Ignored.

        Returns
        -------
        SequenceTokenizer
            The fitted tokenizer.
        """
        self._learn(self._analyze(X))
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None):
        """Learn the vocabulary and return the ids of the documents.

        Parameters
        ----------
        X : iterable of str, bytes, or list of str, of length n_documents
            The documents.
        y : None
            Ignored.

        Returns
        -------
        list of ndarray of int64 of shape (n_tokens_of_document,)
            One array a document.
        """
        documents = self._analyze(X)
        self._learn(documents)
        return self._to_ids(documents)

    def _learn(self, documents):
        if self.vocabulary is not None:
            vocabulary = _check_vocabulary(self.vocabulary)
        else:
            counter = CountVectorizer(
                analyzer=_as_it_is,
                max_df=self.max_df,
                min_df=self.min_df,
                max_features=self.max_features,
            )
            tokens = counter.fit(documents).get_feature_names_out()
            vocabulary = {str(token): i for i, token in enumerate(tokens, len(_SPECIAL_NAMES))}
        self.vocabulary_ = vocabulary
        self.fixed_vocabulary_ = self.vocabulary is not None
        self.padding_id_, self.unknown_id_ = PADDING_ID, UNKNOWN_ID
        self.n_tokens_ = max(vocabulary.values()) + 1

    # ------------------------------------------------------------- documents

    def _analyze(self, X):
        """Return the tokens of each document."""
        _check_collection(X)
        if self.tokenizer is None and self.token_pattern is None:
            raise ValueError("token_pattern=None says nothing about words without a tokenizer.")
        steps = CountVectorizer(
            encoding=self.encoding,
            decode_error=self.decode_error,
            strip_accents=self.strip_accents,
            lowercase=self.lowercase,
            preprocessor=self.preprocessor,
            tokenizer=self.tokenizer,
            stop_words=self.stop_words,
            token_pattern=self.token_pattern,
        )
        preprocess, words = steps.build_preprocessor(), steps.build_analyzer()

        def tokens_of(i, document):
            if callable(self.analyzer):
                tokens = list(self.analyzer(document))
                _check_tokens(i, tokens, "the analyzer returned")
                return tokens
            if isinstance(document, (list, tuple)):
                _check_tokens(i, document, "it holds")
                if self.analyzer == "char":
                    _check_characters(i, document)
                return [preprocess(token) for token in document]
            if not isinstance(document, (str, bytes)):
                raise _wrong_type(i, document)
            if self.analyzer == "char":
                return list(preprocess(steps.decode(document)))
            return words(document)

        documents = []
        for i, document in enumerate(X):
            documents.append(tokens_of(i, document))
            if not documents[-1]:
                raise ValueError(
                    f"Document {i} has no tokens: {_shortened(document)}. A sequence has at least "
                    "one step: leave such documents out, or change what counts as a token "
                    "(token_pattern, stop_words)."
                )
        if not documents:
            raise ValueError("X holds no documents (0 samples); at least 1 is required.")
        return documents

    def transform(self, X):
        """Return the ids of the tokens of each document.

        Parameters
        ----------
        X : iterable of str, bytes, or list of str, of length n_documents
            The documents.

        Returns
        -------
        list of ndarray of int64 of shape (n_tokens_of_document,)
            One array a document.
        """
        check_is_fitted(self, "vocabulary_")
        return self._to_ids(self._analyze(X))

    def _to_ids(self, documents):
        known, unknown = self.vocabulary_, self.unknown_id_
        ids = [
            np.array([known.get(token, unknown) for token in tokens], dtype=np.int64)
            for tokens in documents
        ]
        if self.handle_unknown == "error":
            for i, of_document in enumerate(ids):
                if (of_document == unknown).any():
                    position = int((of_document == unknown).argmax())
                    raise ValueError(
                        f"Token {_shortened(documents[i][position])} of document {i}, at position "
                        f"{position}, is not in the vocabulary. Leave it out, or set "
                        "handle_unknown='use_unknown_id'."
                    )
        return ids

    # ------------------------------------------------------------------ back

    def get_feature_names_out(self, input_features=None):
        """Return the token of each id.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of str objects of shape (n_tokens_,)
            The token at each id; ``"<pad>"`` and ``"<unk>"`` at 0 and 1, and an empty string where
            a given vocabulary has a gap.
        """
        check_is_fitted(self, "vocabulary_")
        names = np.full(self.n_tokens_, "", dtype=object)
        names[: len(_SPECIAL_NAMES)] = _SPECIAL_NAMES
        for token, i in self.vocabulary_.items():
            names[i] = token
        return names

    def inverse_transform(self, X):
        """Return the text of ids.

        Parameters
        ----------
        X : iterable of array-like of int, of length n_documents
            Ids, as `transform` returns them; padding is left out.

        Returns
        -------
        list of str
            The tokens put together: without anything between them for ``analyzer="char"``, else
            with spaces. An unknown one is written ``"<unk>"``.
        """
        names = self.get_feature_names_out()
        between = "" if self.analyzer == "char" else " "
        return [between.join(names[_check_ids(i, ids, names.size)]) for i, ids in enumerate(X)]


def _check_collection(X):
    if isinstance(X, (str, bytes)):
        raise ValueError(
            "Iterable over raw text documents expected, string object received: pass a list with "
            f"one string a document, [{_shortened(X)}]."
        )
    if getattr(X, "ndim", 1) != 1 or hasattr(X, "columns"):
        raise ValueError(
            f"X must be one-dimensional, one document an element, got {type(X).__name__} of shape "
            f"{getattr(X, 'shape', None)}. Pass a single column of it."
        )
    if not isinstance(X, Iterable):
        raise TypeError(f"X must be an iterable of documents, got {type(X).__name__}.")


def _wrong_type(i, document):
    missing = document is None or (isinstance(document, Real) and document != document)
    hint = " Fill missing documents in first." if missing else ""
    return TypeError(
        f"Document {i} is {_shortened(document)} of type {type(document).__name__}; a document is "
        f"a string, or a list of strings, its tokens.{hint}"
    )


def _check_tokens(i, tokens, source):
    for position, token in enumerate(tokens):
        if not isinstance(token, str):
            raise TypeError(
                f"The tokens of a document are strings, but for document {i} {source} "
                f"{_shortened(token)} of type {type(token).__name__} at position {position}."
            )


def _check_characters(i, tokens):
    for position, token in enumerate(tokens):
        if len(token) != 1:
            raise ValueError(
                f"With analyzer='char' the tokens of a document are single characters, but "
                f"document {i} holds {_shortened(token)} at position {position}. Pass documents "
                "as strings, or set analyzer='word'."
            )


def _check_vocabulary(vocabulary):
    first = len(_SPECIAL_NAMES)
    if isinstance(vocabulary, str):
        raise ValueError(f"vocabulary must hold tokens, got the string {_shortened(vocabulary)}.")
    if not isinstance(vocabulary, Mapping):
        tokens = sorted(vocabulary) if isinstance(vocabulary, (set, frozenset)) else vocabulary
        numbered = {}
        for i, token in enumerate(tokens, first):
            if numbered.setdefault(token, i) != i:
                raise ValueError(f"vocabulary holds {_shortened(token)} twice.")
        vocabulary = numbered
    if not vocabulary:
        raise ValueError("vocabulary is empty.")
    owner = {}
    for token, i in vocabulary.items():
        if not isinstance(token, str):
            raise TypeError(f"vocabulary holds {_shortened(token)}, which is not a string.")
        if not isinstance(i, Integral) or i < first:
            raise ValueError(
                f"vocabulary gives {_shortened(token)} the id {i!r}; ids are integers from {first} "
                f"on ({PADDING_ID} is padding, {UNKNOWN_ID} any unknown token)."
            )
        if owner.setdefault(int(i), token) != token:
            raise ValueError(
                f"vocabulary gives the id {i} to both {_shortened(owner[int(i)])} and "
                f"{_shortened(token)}."
            )
    return {token: int(i) for token, i in vocabulary.items()}


def _check_ids(i, ids, n_tokens):
    ids = np.asarray(ids)
    if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise ValueError(
            f"Document {i} must be a one-dimensional array of integer ids, got shape {ids.shape} "
            f"of {ids.dtype}."
        )
    outside = (ids < 0) | (ids >= n_tokens)
    if outside.any():
        position = int(outside.argmax())
        raise ValueError(
            f"Id {ids[position]} of document {i}, at position {position}, is outside the "
            f"vocabulary of {n_tokens} ids."
        )
    ids = ids.astype(np.int64, copy=False)
    return ids[ids != PADDING_ID]
