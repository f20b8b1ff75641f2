"""What may move: groups, their subgroups and elements, and how an element acts on an array."""

from equiconv.groups.protocols import Element as Element
from equiconv.groups.protocols import Group as Group
from equiconv.groups.protocols import Subgroup as Subgroup
from equiconv.groups.translations import Translation as Translation
from equiconv.groups.translations import Translations as Translations
from equiconv.groups.translations import TranslationSubgroup as TranslationSubgroup

__all__ = ["Element", "Group", "Subgroup", "Translation", "TranslationSubgroup", "Translations"]
