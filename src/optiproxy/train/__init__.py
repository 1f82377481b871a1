"""Training functions for the ordinary case, to be given to a task beside a model."""

from optiproxy.train.classifier import Classifier, classifier

__all__ = ["Classifier", "classifier"]
