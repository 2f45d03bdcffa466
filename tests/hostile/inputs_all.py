"""All kinds of bad input in one list, and the words that make the finished run some of them need."""

from __future__ import annotations

import inputs_images
import inputs_runs
import inputs_tables
import inputs_words
from inputs_words import GOOD

KINDS = [*inputs_words.KINDS, *inputs_images.KINDS, *inputs_tables.KINDS, *inputs_runs.KINDS]
TRAINED = GOOD.split()
