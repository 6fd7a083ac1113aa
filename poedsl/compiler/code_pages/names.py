"""Pages of errors in names: declarations, definitions, calls and ``use`` statements."""

from __future__ import annotations

from poedsl.grammar.codes import CodePage

NAMES: dict[str, CodePage] = {
    "P0201": CodePage(
        "a name that nothing has",
        """\
A name stands where a value is needed, and nothing declares it.

    x ~ Normal(mu, 1)            # wrong: nothing says what mu is

    input mu : Real
    x ~ Normal(mu, 1)            # right

Names that are arguments of a learned expert or a reward become inputs by themselves, with the
parameter's type; numbers in densities and expressions do not, and a name that nearly is a
declared one never does.
""",
    ),
    "P0202": CodePage(
        "an expert, reward or function that does not exist",
        """\
A call names something that this release does not know. `poe experts` lists experts and
rewards.

    x ~ Nomral(0, 1)             # wrong
    x ~ Normal(0, 1)             # right
""",
    ),
    "P0203": CodePage(
        "a name declared twice",
        """\
A name is declared once: as an input, a constant or a variable.

    let c = 3
    input c : Real               # wrong: c is a constant already
""",
    ),
    "P0204": CodePage(
        "a name used above its declaration",
        """\
Constants and inputs are declared above their first use.

    let a = b + 1                # wrong
    let b = 2

    let b = 2
    let a = b + 1                # right

A constant of a block of `for` is new for each element, so that its value is not made of itself.
A recursion, which carries a value from one element to the next, is a scan.

    x : Real
    let v = 1
    for e in [3, 4]:
        let v = v / 2 + e        # wrong
        x ~ Normal(v, 1)

    let v = scan(v = 1: v / 2 + e for e in [3, 4])
    x ~ Normal(v[1], 1) * Normal(v[2], 1)
""",
    ),
    "P0205": CodePage(
        "an implicit input under --strict",
        """\
With --strict every input is declared; without it a free name that is an argument of an
expert, and an argument that is left out and has no default, become inputs.

    x ~ flux(prompt)             # refused by --strict

    input prompt : Text
    x ~ flux(prompt)             # accepted
""",
    ),
    "P0206": CodePage(
        "a `use` or a model that cannot be used",
        """\
`use` names Python in a file beside the program or in a module, the folder of a model, or a model
of the hub that an expert of the language has as its default.

    use redness from "rewards.py"              # wrong: which of its functions?
    use redness from "rewards.py:redness"      # right
    use redness from "package.module:redness"  # right
    use mine from "models/my_digits"           # right: a folder that diffusers has written

Files are read and not run when a program is compiled; one with an error of syntax cannot be read.

When a program is run, the folder of a model must define it completely: every weight of the network
at its size, the tokenizer or processor, and no option that would be left out. The message names the
part and the weight or option. Models are read from folders that `save_pretrained` of diffusers or
transformers writes, with weights as safetensors (a precision in their names, as in
`model.fp16.safetensors`, is recognised) or, of language models, as GGUF. Pickled weights (`.bin`,
`.ckpt`, `.pt`) are not read, since unpickling runs code.
""",
    ),
    "P0207": CodePage(
        "a `use` of what is no expert, reward or source",
        """\
A Python function or class is made an expert, a reward or a source by a decorator. The class of an
expert has one of the methods `velocity`, `score` and `log_prob`, that of a reward `__call__`.
A function that calls `pyro.sample` is a model of Pyro's without one.

    def redness(x: poedsl.Image):              # wrong
        return x[:, 0].mean((1, 2))

    @poedsl.reward
    def redness(x: poedsl.Image):              # right
        return x[:, 0].mean((1, 2))

A plan that was made with one signature is not run with another: compile the program again.
""",
    ),
    "P0208": CodePage(
        "a parameter whose type or default cannot be read",
        """\
The parameters of Python that a program uses have annotations: a type of Python (float, int, bool,
str) or of the language (poedsl.Real[2], poedsl.Image[3, 64, 64], poedsl.Depth, ...). Since they are
read without running the code, defaults and options are written as plain numbers and texts.

    @poedsl.reward
    def redness(x, amount=WEIGHT):                         # wrong
        ...

    @poedsl.reward
    def redness(x: poedsl.Image, amount: float = 0.5):     # right
        ...
""",
    ),
    "P0209": CodePage(
        "an argument that a definition does not pass on",
        """\
Inside a definition of an `expert`, arguments that are left out come from its parameters only, so
that what it takes can be read off its first line.

    expert cut(mask) = flux_fill(mask)                   # wrong: where is the image from?
    x ~ cut(mask)

    expert paste(mask, image, prompt) = flux_fill(mask)  # right
    x ~ paste(mask)
""",
    ),
    "P0210": CodePage(
        "an expert defined by itself",
        """\
A definition stands for its product wherever it is called, so it cannot call itself, not even by
way of another definition.

    expert twice(m) = twice(m) * Normal(m, 1)    # wrong
    x ~ twice(0)

    expert both(m) = Normal(m, 1) * Normal(m, 2) # right
    x ~ both(0)
""",
    ),
    "P0211": CodePage(
        "a pipeline that no expert can be made of",
        """\
Any pipeline of diffusers whose call has one loop over the steps of a scheduler is an expert: at
each step the run takes the velocity or noise that the pipeline computed, and gives it the next
point. A pipeline whose loop does more cannot be one:

- it overwrites the result of a step, as `FluxInpaintPipeline` puts the known part of a picture back
  (`FluxFillPipeline` does not: there the picture is a condition of the network);
- it samples in several loops, or in loops within each other;
- it changes its network while it samples, or keeps values from step to step;
- its picture is only where sampling starts, as of `StableDiffusionImg2ImgPipeline`, so that the
  picture is no condition;
- it makes films, sounds or embeddings;
- its call needs a tensor or a list that no type of the language is for.

    x ~ pipeline("a-flux-inpaint-pipeline", image = photo, mask_image = mask)  # wrong
    x ~ flux_fill(mask, image, prompt)                                         # right

A picture that is known in part can also be a constraint of the program itself, as
`exp(-100 * sum((x[part] - seen[part])^2))`.
""",
    ),
}
