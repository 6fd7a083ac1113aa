"""Pages of errors in the values of inputs and in plans."""

from __future__ import annotations

from poedsl.grammar.codes import CodePage

INPUTS: dict[str, CodePage] = {
    "P0601": CodePage(
        "an input without a value",
        """\
Inputs without a default are given by the caller.

    poe run program.poe --set prompt="a cat" --set depth=@depth.png
    poe run program.poe --data data.json
    plan.bind(prompt="a cat", depth=image)

`poe inputs program.poe --data data.json` lists the inputs and their values.
""",
    ),
    "P0602": CodePage(
        "a value of the wrong type",
        """\
The value given for an input is not of its type, or it is a picture or a map whose values are not
in [0, 1]. Integers of 8 and 16 bits are divided by their largest value, 255 or 65535; a mask that
holds only 0 and 1 is taken as it is. Integers of other types are taken if they are 0 and 1:

    plan.bind(mask=levels / 255)
    plan.bind(mask=levels.astype("uint8"))

A mask may be transparent if its colours are grey; a depth map may not be transparent.
""",
    ),
    "P0603": CodePage(
        "a value of the wrong shape",
        """\
The value given for an input has other sizes than its type. Pictures are channel-first:
Image[3, 480, 640] has 3 channels, 480 rows and 640 columns. Arrays with the channels last are
recognised.
""",
    ),
    "P0604": CodePage(
        "a file that cannot be read",
        """\
Pictures are read from PNG, JPEG, WebP, TIFF, BMP, GIF and PPM, and numbers from .npy, .npz, CSV,
Parquet and JSON. A folder of frames holds such pictures; hidden files in it are left out. A .npz
file has one array, or one with the name of the input. A picture has at most as many pixels as
`PIL.Image.MAX_IMAGE_PIXELS`.
""",
    ),
    "P0605": CodePage(
        "a value for an input that does not exist",
        """\
`--set NAME=VALUE` and `plan.bind(NAME=...)` name inputs of the program; `poe check` lists
them.
""",
    ),
    "P0606": CodePage(
        "not a plan",
        """\
The file is not a plan of this version, or was changed after it was written: its content no
longer has the hash it states. A plan that another tool wrote has its hash and is no plan all the
same where a name, a call, an option or a value in it is not one that the compiler would have
made; the message then has the place in the JSON:

    at `factors[0].term`, `scale` is above 0, and this is -1
""",
    ),
    "P0607": CodePage(
        "data that a likelihood cannot have",
        """\
The values on the left of `~` are out of the support of their density, so that the likelihood is
zero whatever the variables are: a count that is negative, an outcome that is neither 0 nor 1, a
length that is not above 0. Indices count from 0. Data without elements are an error too, except in
a loop over them, which is then a factor of one.

    input y : Int[_]
    p ~ Beta(1, 1)
    y ~ Bernoulli(p)

    poe run coin.poe --set "y=[0, 1, 2]"    # `y[2]` is 2
""",
    ),
    "P0608": CodePage(
        "a missing value",
        """\
A value is missing: an empty cell, NA, N/A, NaN, null, none or a point in a table, null or NaN in
JSON, None in a list. The message has its row and column. Rows are counted from 1, indices of lists
from 0.
""",
    ),
    "P0609": CodePage(
        "several values for one input",
        """\
Two files of data have a value for the same input. `--set` overrides what files have, so that it may
name such an input too.
""",
    ),
    "P0610": CodePage(
        "data that no input takes",
        """\
A file of data, a frame or a mapping has values that are no inputs of the program. They are ignored,
as in Stan. It is a warning if an input that has no value is called nearly the same, else a note.
""",
    ),
    "P0611": CodePage(
        "a table or data with a fault",
        """\
A file of data has one JSON object whose keys are inputs, or a table whose columns are inputs. The
first line of a CSV has the names of the columns; cells are separated by commas, semicolons or tabs,
and may be in double quotes. Refused are an empty file, a header without rows, rows of different
lengths, and two columns or keys of one name.

A decimal comma is read where every number with a comma can have no other meaning, so not in a table
with "1,234", which may be a thousand, and not in one that has decimal points too.
""",
    ),
    "P0612": CodePage(
        "a film or a sequence that does not fit",
        """\
A film that `frames_of` reads, or a folder that `sequence_of` reads, is not what the arguments say:

- it has fewer frames than `frames`: give fewer, or a longer film;
- its frames are not at even times, and no `fps` says at which times it is to be read;
- it has no times, as a folder of pictures, and `fps` is given;
- its pictures have another shape than `size`: a film is made larger or smaller, but neither cropped
  nor stretched;
- `rgb/`, `depth/` and `mask/` of a sequence differ in the number of frames or in size.

    let film = frames_of("walk.mp4", frames = 81, size = [480, 832], fps = 16)
""",
    ),
    "P0613": CodePage(
        "a scene that cannot be simulated",
        """\
The scene of the source `mujoco` was read, and cannot be simulated or rendered as the arguments
say:

- its simulation explodes numerically: positions or velocities grow beyond all bounds. A smaller
  step in the scene's `<option timestep="..."/>` may help, softer contacts, and bodies that do not
  start inside of each other;
- it has no camera of the name, which the note lists;
- its frames have too many pixels, or it takes too many steps or too long;
- `frames`, `size`, `fps` or `seconds` is out of range.
""",
    ),
}
