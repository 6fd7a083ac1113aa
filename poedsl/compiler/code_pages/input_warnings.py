"""Pages of warnings on how the inputs of a run were read."""

from __future__ import annotations

from poedsl.grammar.codes import CodePage

INPUT_WARNINGS: dict[str, CodePage] = {
    "P1030": CodePage(
        "a transparent picture over white",
        """\
A picture that is bound to an input is transparent in places, and pictures have no alpha channel. It
was put over a white background. Put it over another one before if white is not what is meant. This
warning leaves the verdict as it is.
""",
    ),
    "P1031": CodePage(
        "an array with the channels last",
        """\
Pictures are channel-first, as [3, 480, 640]. This array has the shape [480, 640, 3], and was read
as height x width x channels. `array.transpose(2, 0, 1)` gives the order that is expected. This
warning leaves the verdict as it is.
""",
    ),
    "P1032": CodePage(
        "a mask or a depth map in colours",
        """\
A map has one number for each pixel, and a picture with colours was bound to it. Its luma was read:
0.299 red + 0.587 green + 0.114 blue. A mask that is painted in red is then 0.3 and not 1, and a
depth map that is shown by a colour scale has no order any more. Save maps as grey pictures.
""",
    ),
    "P1033": CodePage(
        "a file with several pictures",
        """\
A GIF, a TIFF or another file with several pictures was bound to an input for one picture. The
first was read, or of a PIL image the one that it shows. An input of type Video reads all. This
warning leaves the verdict as it is.
""",
    ),
    "P1034": CodePage(
        "a picture of levels 0 and 1",
        """\
A picture of integers of 8 or 16 bits holds no levels but 0 and 1, of up to 255 or 65535, and is
nearly black. For a picture in black and white give booleans, floating-point numbers, or levels of
0 and 255. Masks that hold only 0 and 1 are taken as they are.
""",
    ),
    "P1035": CodePage(
        "a damaged picture",
        """\
The library that read a picture warned of it: tags that it cannot understand, or parts that are
missing. What it could read was taken. Look at the picture, and save it again.
""",
    ),
    "P1036": CodePage(
        "a film whose frames are not at even times",
        """\
The intervals between the frames of a film differ, as those of a camera that saves frames in the
dark, or of a GIF with pauses. An input takes the frames one after the other, so that motion in them
is not even. The source `frames_of` reads a film at even times, each the frame that is shown then:

    let film = frames_of("walk.mp4", frames = 81, fps = 16)
""",
    ),
}
