"""TRIPOD+AI, the reporting of prediction models: the 52 parts of its 27 items by number, in our words."""

from __future__ import annotations

from xzoo.report.cards.checklist import Ask, Checklist

TRIPOD = Checklist(
    "TRIPOD+AI",
    "https://doi.org/10.1136/bmj-2023-078378",
    (
        Ask("1", "Title", "Say that a model is developed, for whom, and what it predicts."),
        Ask("2", "Abstract", "Write it by TRIPOD+AI for Abstracts.", knows=("held_out",)),
        Ask("3a", "Medical context, and why a model", "Write it, with existing models."),
        Ask("3b", "For whom, by whom, and where in care it is meant", "Write it."),
        Ask("3c", "Known inequalities between groups of people", "Write what is known."),
        Ask("4", "Objectives", "Say whether you develop, evaluate, or do both; xzoo does both on one dataset."),
        Ask("5a", "Sources of data", "Describe them for each split, and whom they represent.", knows=("data", "splits")),
        Ask("5b", "Dates of the data", "Give them."),
        Ask("6a", "Setting", "Give kind, number and places of centres."),
        Ask("6b", "Eligibility", "Give the criteria."),
        Ask("6c", "Treatments", "Say which were given, or that they do not matter here."),
        Ask(
            "7",
            "Preparation and checking of the data",
            "Say whether it was alike for all groups of people.",
            knows=("preprocessing",),
        ),
        Ask("8a", "Outcome", "Define what each class means, and how and when it was assessed.", knows=("counts",)),
        Ask("8b", "Who assessed the outcome", "Give their training and who they are."),
        Ask("8c", "Blinding of that assessment", "Say what was hidden from the assessors."),
        Ask("9a", "Choice of predictors", never="The image is the only predictor, whole."),
        Ask("9b", "Definition of predictors", "Say how images were taken.", knows=("preprocessing",)),
        Ask("9c", "Who assessed predictors", never="Pixels are not assessed by anybody."),
        Ask("10", "Sample size", "Say how each was arrived at and whether it suffices.", knows=("counts",)),
        Ask(
            "11", "Missing data", "Say what was missing, or left out and why, before xzoo was given the data.", knows=("missing",)
        ),
        Ask("12a", "How data were used and divided", fills=("splits", "counts")),
        Ask("12b", "How predictors entered", fills=("preprocessing",)),
        Ask("12c", "Kind of model, its building, internal validation", fills=("network", "start", "training", "selection")),
        Ask(
            "12d", "Differences between clusters such as hospitals", "Say whether they were looked at; the run knows no clusters."
        ),
        Ask("12e", "Measures and plots of performance", fills=("measures", "uncertainty")),
        Ask("12f", "Updating after evaluation", never="A run does not change the model after it was evaluated."),
        Ask("12g", "How predictions were calculated", fills=("output",)),
        Ask("13", "Class imbalance", "Say what was done about it, and why.", fills=("imbalance",), knows=("weighed", "counts")),
        Ask("14", "Fairness", "Say what was done; the run knows nothing of groups of people."),
        Ask("15", "Output and thresholds", fills=("output",)),
        Ask(
            "16",
            "Differences between training and evaluation data",
            "Name those in setting, criteria and outcome.",
            knows=("shift",),
        ),
        Ask("17", "Ethical approval and consent", "Name the committee, or say why none was needed."),
        Ask("18a", "Funding", "Write it."),
        Ask("18b", "Conflicts of interest", "Write them."),
        Ask("18c", "Protocol", "Say where it is, or that there is none.", knows=("rerun",)),
        Ask("18d", "Registration", "Give register and number, or say that it was not registered."),
        Ask("18e", "Sharing of data", "Say where they are, under which terms.", knows=("data",)),
        Ask("18f", "Sharing of code", "Say where yours is.", knows=("rerun", "software")),
        Ask("19", "Patients and public", "Say how they took part, or that they did not."),
        Ask("20a", "Flow of participants", "Count those left out, and draw it.", knows=("counts", "patients")),
        Ask("20b", "Characteristics of participants", "Give them for each split.", knows=("counts",)),
        Ask("20c", "Training and evaluation data side by side", "Compare people and outcome.", knows=("counts", "shift")),
        Ask(
            "21",
            "Participants and events in each analysis",
            "Count participants where images are not people.",
            knows=("counts", "patients"),
        ),
        Ask(
            "22",
            "The model itself, for others to use",
            "Say where its tensors can be had, and under which terms.",
            knows=("tensors", "start"),
        ),
        Ask("23a", "Performance with intervals", "Give it for subgroups of people too.", knows=("performance",)),
        Ask("23b", "Differences of performance between clusters", "Give them, or say that they were not examined."),
        Ask("24", "Results of updating", never="A run does not change the model after it was evaluated."),
        Ask("25", "Interpretation", "Write it, fairness included."),
        Ask("26", "Limitations", "Write them and what they do to the figures.", knows=("limits",)),
        Ask("27a", "What to do with poor or missing input", "Write it; xzoo predict refuses images that it cannot read."),
        Ask("27b", "What users must do and know", "Write it."),
        Ask("27c", "Next steps of research", "Write them; a test at other places comes first."),
    ),
)
"""Collins et al. 2024, https://doi.org/10.1136/bmj-2023-078378; numbers are theirs, words are ours."""
