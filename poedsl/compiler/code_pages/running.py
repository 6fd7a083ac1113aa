"""Pages of errors while a plan is run."""

from __future__ import annotations

from poedsl.grammar.codes import CodePage

RUNNING: dict[str, CodePage] = {
    "P0701": CodePage(
        "a model that is not here",
        """\
The weights of an expert are not on this machine: there is no such folder, or the model has not been
fetched. The notes say how large it is, under which licence it stands, and the command that fetches
it. Other weights are named in the program, `flux(model = "FOLDER")`, or in a profile of `poe.toml`:

    [profile.mine.models]
    flux = "FOLDER"

`poe run --profile mine` then takes those. `--profile small` has small models that come with the
package.
""",
    ),
    "P0702": CodePage(
        "a device that does not exist",
        """\
Devices are cpu, cuda:0, cuda:1, ... as far as the machine has them. Apple's mps is none: runs keep
log weights in double precision, which it does not have.
""",
    ),
    "P0703": CodePage(
        "an expert that cannot run",
        """\
The expert's library is not installed, or this release knows only what the expert takes. The
note says which.
""",
    ),
    "P0704": CodePage(
        "results that cannot be written",
        """\
The folder given with --out cannot be written: it is a file, the disk is full, or it is not
permitted. An earlier result in the folder stays as it is; what could be written of the new one is
in `.poedsl-unfinished` there.
""",
    ),
    "P0705": CodePage(
        "a run that failed",
        """A run whose particles all lost their weight has nothing to draw from; its outcome
says why, and what may help.""",
    ),
    "P0707": CodePage(
        "Python that may not run",
        """\
A program can name Python code. Checking and planning only parse the code. Running the
program executes its file, and that needs the caller's permission. The message names the file. Code
that a Python process has decorated itself needs no permission in that process.

    poe run program.poe                        # wrong, where program.poe says use f from "f.py:f"
    poe run program.poe --allow-code           # right

    plan.run(allow_code=True)                  # right, in Python
""",
    ),
    "P0708": CodePage(
        "Python that failed",
        """\
A function or class that a program uses raised an exception, or did not return what it should: a
reward or a log density returns one number a particle, shape [L] for particles [L, ...]; a score or
a velocity one number a component, shape [L, ...]. The message names the line. A model of Pyro's has
continuous sites, the same ones whatever their values.

    @poedsl.reward
    def redness(x: poedsl.Image):
        return x[:, 0].mean()                  # wrong: one number for all particles

    @poedsl.reward
    def redness(x: poedsl.Image):
        return x[:, 0].mean((1, 2))            # right
""",
    ),
    "P0709": CodePage(
        "an option that is planned and not run",
        """\
The language has this option, and a plan can hold it, but this release cannot run it. Leave it
out, and the compiler chooses one that runs; the printed plan says which, and why.
""",
    ),
    "P0710": CodePage(
        "a profile that cannot be read",
        """\
A profile says which weights experts have and how their networks are run. `--profile NAME` takes it
from `poe.toml`, beside the program or in a folder above it:

    [profile.mine]
    dtype = "bfloat16"      # auto, float32, bfloat16 or float16
    device = "cuda"         # where networks are; the run's own device if left out
    offload = "blocks"      # none, or blocks: in main memory, a block at a time on the GPU
    quantize = "fp8"        # none, fp8 or int8: how weights are stored
    microbatch = 4          # particles that a network sees at once
    checkpointing = true    # less memory where gradients pass through a network
    [profile.mine.models]
    flux = "FOLDER"         # relative to poe.toml; or an id of the hub

`default` and `small` are there without a file.
""",
    ),
    "P0711": CodePage(
        "language models with different tokenizers",
        """\
A product of language models is one over their tokens: the same numbers must stand for the same
pieces of text, and one token must end the texts of all. Models of one family mostly share a
tokenizer, as a base model and one that answers in chats do: among the tokens that end the answers
is the one that ends a text. The message names the first token that differs.

    y ~ lm("gpt2") * lm("Qwen/Qwen2.5-0.5B")                    # wrong
    y ~ lm("Qwen/Qwen2.5-1.5B") * lm("Qwen/Qwen2.5-0.5B")       # right
""",
    ),
    "P0712": CodePage(
        "a folder with files of another origin",
        """\
`--out DIR` names a folder that holds files which no run of poedsl wrote, or in which a file or
folder of a run was replaced by a symbolic link. Nothing in it is written or removed. A run lists
its files in `run.json`, and a later run into the same folder replaces only those. Name a folder
that does not exist yet, or an empty one.

    poe run crossing.poe --out .             # wrong: the folder holds the program
    poe run crossing.poe --out crossing      # right
""",
    ),
    "P0713": CodePage(
        "a folder that holds no result",
        """\
`Result.load` reads the folders that `poe run --out FOLDER` and `Result.save` write. This folder has
other files, lacks some of those, or they are damaged, of another version, or of different runs. A
run that was interrupted leaves the log of its stages, a checkpoint and no result.
""",
    ),
    "P0715": CodePage(
        "data that cannot be drawn again",
        """\
`poe predict` and `Result.predict` draw the observed data from the densities of their likelihoods.
There are no such draws in a program without data, where data have several likelihoods or one to a
power, whose product is no density of the data, and from densities that the library cannot draw
from.

Data are drawn from the prior statement by statement, in the order of the program. Parameters may
name data that were drawn before, and no others: a series is written as a loop over its elements,
`y[i + 1] ~ Normal(a * y[i], 1)`, and not at once, `y[1:] ~ Normal(a * y[:-1], 1)`.
""",
    ),
    "P0720": CodePage(
        "a folder whose run has not finished",
        """\
The folder that `--out` names holds the checkpoint of a run that was interrupted or killed, which a
new run would replace; or another process is writing to it. `run.json` in the folder says which run
it is, and in which state.

    poe run --resume DIR                         # goes on with that run
    poe run program.poe --out DIR --force        # discards it
""",
    ),
    "P0721": CodePage(
        "a run that cannot be resumed",
        """\
`poe run --resume DIR` goes on with the run in a folder that `poe run --out DIR` wrote, from
`checkpoint.safetensors` in it; `plan.run(checkpoint = DIR)` does so from the same file. The folder
holds no run, or the checkpoint was cut or changed: its content does not have the digest that was
written with it. `poe run program.poe --out DIR --force` starts the run again.
""",
    ),
    "P0722": CodePage(
        "a run that has changed since its checkpoint",
        """\
A run goes on from a checkpoint only where its plan, the values and files of its inputs, the weights
of its models, its settings, the versions of the libraries that compute it, the processor and the
number of threads are what they were: else its result would be that of neither. The message and the
notes name all that has changed.

    poe run --resume DIR --force                 # goes on all the same
    poe run program.poe --out OTHER              # starts again
""",
    ),
}
