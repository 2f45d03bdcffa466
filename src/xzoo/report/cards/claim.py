"""CLAIM 2024, the checklist for artificial intelligence in medical imaging: its 44 items by number, in our words."""

from __future__ import annotations

from xzoo.report.cards.checklist import Ask, Checklist

_DESIGN = "This is a matter of the study, not of the run."

CLAIM = Checklist(
    "CLAIM 2024",
    "https://doi.org/10.1148/ryai.240300",
    (
        Ask("1", "Title or abstract names the kind of AI", "Name deep learning and what it classifies.", knows=("network",)),
        Ask("2", "Abstract: design, methods, results, conclusions", "Write it.", knows=("held_out",)),
        Ask("3", "Background, and what the tool is to be used for", "Write it."),
        Ask("4", "Aims and hypotheses", "Write them."),
        Ask("5", "Prospective or retrospective", f"Say which. {_DESIGN}"),
        Ask("6", "Goal of the study", "Say whether it is a feasibility study, a comparison, a model to be used."),
        Ask(
            "7",
            "Where the data come from",
            "Name institutions, dates, public sources and their terms of use.",
            knows=("data",),
        ),
        Ask("8", "Who was included and who was not", "Write the criteria, places and dates."),
        Ask("9", "Preprocessing", "Add what was done to the files before xzoo read them.", knows=("preprocessing",)),
        Ask("10", "Which part of the data was used", fills=("subset",)),
        Ask("11", "De-identification", "Say how, and by whom."),
        Ask("12", "Missing data", "Say what was missing, or left out, before xzoo was given the data.", knows=("missing",)),
        Ask("13", "How the images were acquired", "Name devices, protocols and file formats."),
        Ask("14", "How the reference standard was obtained", "Say what makes an image be of its class.", knows=("counts",)),
        Ask("15", "Why this reference standard", "Give reasons, and its known errors."),
        Ask("16", "Who annotated", "Say who, with what training."),
        Ask("17", "How the test set was annotated", "Say how, and whether otherwise than the training set."),
        Ask("18", "How far annotators vary", "Give agreement between and within readers, or say that it was not measured."),
        Ask("19", "How partitions were assigned", fills=("splits", "counts")),
        Ask(
            "20",
            "On which level partitions are disjoint",
            "Say whether any patient lies in two partitions.",
            fills=("level",),
            knows=("level_of_drawn", "patients"),
        ),
        Ask("21", "Intended sample size of the test set", "Say how it was arrived at.", knows=("counts",)),
        Ask("22", "The model in detail", fills=("network", "output")),
        Ask("23", "Software and hardware", fills=("software",)),
        Ask("24", "How parameters start", fills=("start",)),
        Ask("25", "Training", fills=("training",)),
        Ask("26", "How the final model was chosen", fills=("selection",)),
        Ask("27", "Ensembles", never="One network answers; nothing is averaged."),
        Ask("28", "Measures of performance", fills=("measures",)),
        Ask("29", "Uncertainty and significance", fills=("uncertainty",)),
        Ask(
            "30",
            "Robustness and sensitivity",
            "Say what was varied besides seeds, such as devices, sites or subgroups.",
            knows=("over_seeds", "shift"),
        ),
        Ask(
            "31",
            "Explanation of answers",
            "Say whether maps or the like were used, and how they were checked; xzoo.cam and the HTML report draw Grad-CAM.",
        ),
        Ask("32", "Evaluation on internal data", fills=("on_validation",)),
        Ask(
            "33",
            "Testing on external data",
            "Say whether the test split is from another place or time than the training split; else none is external.",
            knows=("held_out", "shift"),
        ),
        Ask("34", "Trial registration", "Give register and number, or say that none was registered."),
        Ask(
            "35",
            "Patients or examinations included and excluded",
            "Count those left out, and draw the flow.",
            knows=("counts", "patients"),
        ),
        Ask("36", "Demographic and clinical characteristics of each partition", "Give them.", knows=("counts",)),
        Ask("37", "Performance on every partition, with uncertainty", fills=("performance", "over_seeds")),
        Ask("38", "Diagnostic performance and its precision", fills=("held_out",)),
        Ask("39", "What it gets wrong, and why", "Look at the images and say what they share.", knows=("failures",)),
        Ask("40", "Limitations", "Write them.", knows=("limits",)),
        Ask("41", "What follows for practice", "Write it. A run of xzoo supports no clinical use."),
        Ask("42", "Protocol or further technical detail", "Refer to the protocol, or say that there is none.", knows=("rerun",)),
        Ask("43", "Availability of software, model and data", "Say where each is, and under which licence.", knows=("start",)),
        Ask("44", "Funding and its role", "Write it."),
    ),
)
"""Tejani et al. 2024, https://doi.org/10.1148/ryai.240300; numbers are theirs, words are ours."""
