"""Figures of the course: readable without colour, each with a text equivalent beside it.

Figures that several lessons use are here; those of one topic are imported from its module.
"""

from nonlin.plots.comparisons import costs, finishes
from nonlin.plots.depth import norms_by_layer, propagation
from nonlin.plots.images import classes, feature_maps, image_rows, on_a_photograph
from nonlin.plots.picture import Picture, subplots
from nonlin.plots.records import curve_and_slope, describe, saturation, slope_tails
from nonlin.plots.training import against_reference, learning_curves, paired_differences
from nonlin.plots.vectors import along_one_input

__all__ = [
    "Picture",
    "against_reference",
    "along_one_input",
    "classes",
    "costs",
    "curve_and_slope",
    "describe",
    "feature_maps",
    "finishes",
    "image_rows",
    "learning_curves",
    "norms_by_layer",
    "on_a_photograph",
    "paired_differences",
    "propagation",
    "saturation",
    "slope_tails",
    "subplots",
]
