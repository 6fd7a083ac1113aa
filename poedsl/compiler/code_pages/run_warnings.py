"""Pages of warnings that a run gives."""

from __future__ import annotations

from poedsl.grammar.codes import CodePage

RUN_WARNINGS: dict[str, CodePage] = {
    "P1001": CodePage(
        "a factor that is not finite for some particles",
        """\
The factor gives NaN or plus infinity for these particles, or moves them to points that are not
finite. They get weight zero, and the run goes on with the others. Check the factor's inputs and
parameters; for a learned model, try `dtype = "float32"` in a profile.
""",
    ),
    "P1002": CodePage(
        "a stage that no particle outlived",
        """\
After this stage no particle has any weight: either the product is zero wherever particles are, or
a factor is not finite for all of them (a warning P1001 then names it). The run ends; the particles
that are kept are those of the last stage in which all was well. More `particles` or `steps`, or
wider constraints, may help.
""",
    ),
    "P1003": CodePage(
        "a reward of minus infinity on the path",
        """\
On the path a reward is taken at the predicted endpoint of a particle, which is not where the
particle ends. A reward of minus infinity there gives it weight zero although it might have ended
elsewhere, and the evidence is too low. Write a constraint as `where(...)`, which is relaxed on the
path, or use `path = temper()`, which takes rewards at the particles themselves.
""",
    ),
    "P1004": CodePage(
        "tempering that ran out of stages",
        """\
`temper(ess = ...)` places each stage as far as the effective sample size allows, in at most `steps`
stages. They were used up before the target was reached, and the last step went the whole way, so
that its weights may be uneven. Give more `steps`, or a smaller `ess`.
""",
    ),
    "P1005": CodePage(
        "few distinct ancestors",
        """\
All particles descend from a few of those at the first stage, or at the last one whose kernel made
particles independent of their past, so that the evidence and the particles rest on few independent
draws, and a standard error may be far too small. Give more `steps` or `particles`, or a kernel with
more steps.
""",
    ),
    "P1006": CodePage(
        "a learned expert outside the range of its own samples",
        """\
The noise that the expert predicts for the particles has a larger mean square than it can have at
the expert's own samples, so that the product leads it where it was not trained. A learned expert is
wrong there, its errors grow with the distance, and importance weights select them: more particles
are expected to make the result worse (Soiffer et al., Catastrophic Compositional Generation). Lower
the exponents, or compose experts that agree more.
""",
    ),
    "P1007": CodePage(
        "a constraint that few particles meet",
        """\
A rule on text allows a small share of what the experts propose, or a constraint holds for few
particles at the end. Results then rest on few particles. `kernel = gibbs()` redraws what was
written before; conditions on text alone (`contains`, `matches`, `length`) hold for every prefix.
""",
    ),
    "P1008": CodePage(
        "an expert that divides by zero",
        """\
An expert with a negative exponent gives probability zero to a symbol that all other experts allow:
the product has no bound there. Sequences with that symbol are left out, and there is no evidence.
""",
    ),
    "P1009": CodePage(
        "sequences that cannot go on",
        """\
No symbol can follow: a rule on text allows none, or the experts have none in common. All particles
get weight zero.
""",
    ),
    "P1010": CodePage(
        "a mask that is the same everywhere",
        """\
A mask that is all zero takes its expert out of the product, and one that is all one masks nothing.
Often a mask was read from the wrong file, or 0 and 1 were swapped: a mask is 1 where the expert
acts.
""",
    ),
    "P1011": CodePage(
        "a condition on text that weighs at the end alone",
        """\
Conditions that a finite automaton can decide are kept on every prefix. This one needs too many
states, or says something that no automaton decides, so that it only removes finished sequences.
""",
    ),
    "P1012": CodePage(
        "a condition that no text of this length meets",
        """\
With so many tokens no text satisfies the condition; every particle will get weight zero. Give the
variable more tokens, or change the condition.
""",
    ),
    "P1013": CodePage(
        "a low ESS at a stage",
        """\
The effective sample size (ESS) at a stage was below 20, or below 2 % of the particles. The later
stages depend on copies of few particles, however large the ESS is after resampling.
Stages that lie closer together (more `steps`, a larger `ess` of `temper()`) or more `particles`
help.
""",
    ),
    "P1014": CodePage(
        "a kernel that moves too slowly",
        """\
The kernel took all of its `steps` at a stage, and components, or the log density, were still
correlated by more than 0.8 with their values before it. Copies are then hardly apart, and the
particles may not follow the target. Give the kernel more `steps`, or use another one.
""",
    ),
    "P1015": CodePage(
        "an evidence with a large standard error",
        """\
The standard error of log Z is above 0.5: the weights of some stage vary so much that its ESS is
low. Use more `particles`, or stages that lie closer together.
""",
    ),
    "P1016": CodePage(
        "a low bulk ESS",
        """\
The bulk ESS of a component is below 50: the standard error of its mean is above a seventh of its
standard deviation, and quantiles are less accurate. Use more `particles`.
""",
    ),
    "P1017": CodePage(
        "islands that disagree",
        """\
The islands have found different distributions of a component: the rank-normalised R-hat of its
location or scale is above 1.1 (Vehtari et al. 2021). Each island is too small for the distribution,
or some of them miss modes. Use more `particles`, or fewer `islands` of the same particles.
""",
    ),
    "P1018": CodePage(
        "an evidence with an unknown error",
        """\
There is an evidence, and no honest estimate of its error; the message says why. What is not known
is not taken to be small, so that the result counts as doubtful. More `particles`, or four or more
`islands` whose spread shows the error, help.
""",
    ),
    "P1019": CodePage(
        "weight where numbers end",
        """\
Some of the weight is at values that are nearly too small, too large or too close to an end of the
support for a floating-point number. A density such as `Gamma(1e-3, 1)` has half of its mass below
the smallest number there is: that half is missing in the evidence. Use less extreme parameters, or
write the program for the logarithm of the variable.
""",
    ),
    "P1020": CodePage(
        "weights that a model has no use for",
        """\
A folder holds weights that its network does not have: those of another model, or of a part that
only training needs. All weights that the network has were read. Check that config.json and the
files of weights are of one model. A `lora` changes the transformer or UNet, and CLIP where the
library's pipeline does; its weights for other layers are among them.
""",
    ),
    "P1021": CodePage(
        "an adapter that is not applied",
        """\
A file with the weights of a LoRA lies in the folder of a model. The model runs without it, except
for experts that name it. Move it to a folder of its own, and name it there if it is meant:

    x ~ flux("a cat", lora = "loras/style.safetensors:0.8")
""",
    ),
    "P1022": CodePage(
        "a prompt that is cut",
        """\
A network reads a number of tokens, and the prompt has more: what comes after them has no effect.
The two text encoders of FLUX.1 read 77 and 512 tokens, those of Stable Diffusion 77, or 256 for T5,
CLIP 77, SigLIP 64. Write a shorter prompt.
""",
    ),
    "P1023": CodePage(
        "an option in a model's folder without effect",
        """\
The folder of a model has options for the library's own sampler. The scheduler of a diffusion says
where its steps are, which here the options of `sample` do, such as `steps`; the noise levels are
those of the scheduler. The `generation_config.json` of a language model has a temperature, for
example, or the number of tokens to choose from; an expert has the probabilities of its model. Of
the image processor of a judge, interpolations that torch does not have are cubic ones instead, and
classifiers of grey pictures have no such processor.
""",
    ),
    "P1024": CodePage(
        "a warning of the library about a pipeline",
        """\
A pipeline that runs by its own call, `pipeline("FOLDER", ...)`, warned of its arguments: for
example that a guidance scale has no effect without a negative prompt. The message is the library's.
The run goes on with what the pipeline computes.
""",
    ),
    "P1025": CodePage(
        "means that rest on a few extreme draws",
        """\
The extreme draws of a component fall off so slowly, with a Pareto shape above 0.7, that its mean
and standard deviation either do not exist or cannot be estimated from so few draws: the next run
gives other numbers. The median and other quantiles, and the particles, are as good as they were. A
Cauchy distribution has no mean; priors with such tails leave posteriors without one where the data
say little, as when a line separates the outcomes of a logistic regression. Quote quantiles, or
choose priors with lighter tails, such as normal ones.
""",
    ),
    "P1026": CodePage(
        "a product without an integral",
        """\
Constants show that a product has no integral (`poe explain P0809`), so that it is no distribution.
Particles move on towards where the integral is infinite for as long as the run lasts, and the
numbers of its result mean nothing. Bind the product there by a narrower density, or by a condition.
""",
    ),
    "P1040": CodePage(
        "a reported value that is not finite",
        """\
A value that `report` computes is infinite or not a number for some particles, as the logarithm of a
negative number or a quotient by zero. Its summary is of the other particles; the particles in the
result have it as it is.
""",
    ),
}
