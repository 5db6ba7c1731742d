"""Metrics computed from their definitions, threshold by threshold and point by point."""

from __future__ import annotations

import itertools

import numpy as np


def average_precision(labels, scores):
    """Sum the precision at each distinct threshold, weighted by the recall that it adds."""
    area, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        flagged = [label for label, score in zip(labels, scores, strict=True) if score >= threshold]
        now = sum(flagged) / sum(labels)
        area += (now - recall) * sum(flagged) / len(flagged)
        recall = now
    return area


def best_f1(labels, scores):
    """Return the highest F1 over all distinct thresholds."""
    return max(2 * labels[scores >= t].sum() / ((scores >= t).sum() + labels.sum()) for t in set(scores))


def roc_auc(labels, scores):
    """Return the share of pairs of an anomalous and a normal point in the right order; a tie counts half."""
    gaps = scores[labels][:, None] - scores[~labels]
    return ((gaps > 0) + (gaps == 0) / 2).mean()


def adjusted_f1(labels, scores, percent):
    """Return the best F1 after flagging all points of events of which more than ``percent`` % are flagged."""
    edges = np.flatnonzero(np.diff(labels, prepend=0, append=0)).reshape(-1, 2)
    best = 0
    for threshold in set(scores):
        flagged = scores >= threshold
        for begin, end in edges:
            if 100 * flagged[begin:end].sum() > percent * (end - begin):
                flagged[begin:end] = True
        best = max(best, 2 * (flagged & (labels == 1)).sum() / (flagged.sum() + labels.sum()))
    return best


def vus(labels, scores, buffer, thresholds=None):
    """Return VUS-PR and VUS-ROC."""
    count, places = len(labels), range(len(labels))
    events = [i for i in places if labels[i] and not (i and labels[i - 1])]
    events = [(i, next((j for j in range(i, count) if not labels[j]), count) - 1) for i in events]
    cuts = sorted(set(scores), reverse=True)
    if thresholds:
        cuts = [sorted(scores, reverse=True)[int(i)] for i in np.linspace(0, count - 1, thresholds)]
    pr, roc = [], []
    for length in range(buffer + 1):
        reach, soft = length // 2, np.array(labels, float)
        for begin, last in events:
            for i in places:
                distance = max(begin - i, i - last)
                if 0 < distance <= reach:
                    soft[i] = min(1, soft[i] + np.sqrt(1 - distance / length))
        regions = []
        for begin, last in events:
            if regions and regions[-1][1] >= begin - reach:
                regions[-1][1] = last + reach
            else:
                regions.append([begin - reach, last + reach])
        curve = [(0, 0, 1)]
        for cut in cuts:
            flagged = [i for i in places if scores[i] >= cut]
            true_positives = sum(soft[i] for i in flagged)
            positives = (sum(labels) + sum(labels) + sum(soft[i] for i in flagged if not labels[i])) / 2
            hit = sum(any(a <= i <= b for i in flagged) for a, b in regions) / len(regions)
            false_rate = (len(flagged) - true_positives) / (count - positives) if count > positives else 0
            curve.append((false_rate, min(true_positives / positives, 1) * hit, true_positives / len(flagged)))
        steps = list(itertools.pairwise(curve))
        pr.append(sum((now[1] - before[1]) * now[2] for before, now in steps))
        steps.append((curve[-1], (1, 1, 0)))
        roc.append(sum((now[0] - before[0]) * (now[1] + before[1]) / 2 for before, now in steps))
    return np.mean(pr), np.mean(roc)
