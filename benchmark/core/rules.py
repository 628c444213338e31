"""Names that moved to `benchmark.core.measures`."""

from benchmark.core.measures import SIGNS as SIGNS
from benchmark.core.measures import UPPER as UPPER
from benchmark.core.measures import bound as bound
from benchmark.core.measures import perplexity as perplexity
