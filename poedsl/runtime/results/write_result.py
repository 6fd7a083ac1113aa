"""The folder a run leaves behind."""

from __future__ import annotations

import json

from poedsl.catalog.installation import install_command
from poedsl.runtime.results.arviz_data import write_netcdf
from poedsl.runtime.results.data_groups import data_count
from poedsl.runtime.results.folder_ownership import writing
from poedsl.runtime.results.page.page import page
from poedsl.runtime.results.page.program_and_inputs import RunRequest
from poedsl.runtime.results.run_folder import RunFolder
from poedsl.runtime.results.saved_files import (
    DETAILS,
    PARTICLES,
    RESULT,
    WrittenRun,
    as_json,
    detail_tensors,
    particle_tensors,
)

#: The most pairs of a particle and a datum of which posterior.nc has numbers.
MOST_PAIRS = 2**23


class OutputFolder(RunFolder):
    """Writes the result of a run when that has ended."""

    def finish(
        self, result: WrittenRun, *, pictures: bool = True, request: RunRequest | None = None
    ) -> list[str]:
        """Write the result, and let it take the place of an earlier one.

        Args:
            pictures: whether to write ``samples/`` and ``posterior.nc``.
            request: the program and the command, as far as they are known.

        Returns:
            What was left out and why, a sentence each.
        """
        left_out: list[str] = []
        kept = f"files that were complete by then are in {self.staging}"
        with writing(self.folder, kept):
            self._tensors(result)
            text = json.dumps(as_json(result), indent=1, allow_nan=False) + "\n"
            (self.staging / RESULT).write_text(text, encoding="utf-8")
            state = "finished" if result.outcome.ok else "failed"
            try:
                if result.outcome.ok and pictures:
                    left_out = self._samples(result)
                written = page(result, request, self.staging / "samples")
                (self.staging / "report.html").write_text(written, encoding="utf-8")
            except OSError:
                raise
            except Exception:  # an error of this program does not cost the result
                self.publish(state)
                raise
            self.publish(state)
        return left_out

    def _samples(self, result: WrittenRun) -> list[str]:
        """Write what shows the result; what was left out and why, a sentence each."""
        left_out: list[str] = []
        try:
            from poedsl.runtime.results.films import films_left_out
            from poedsl.runtime.results.pictures import draw

            draw(result, self.staging / "samples")
            left_out += films_left_out(result.plan)
        except ImportError as error:
            left_out.append(_left_out("the picture in samples/", error))
        pairs = len(result.log_weights) * data_count(result.plan)
        if pairs > MOST_PAIRS:
            left_out.append(
                "log likelihoods and predictions of the data are left out of posterior.nc: "
                f"they would have {pairs:,} numbers each; `to_xarray` has them"
            )
        try:
            tree = result.to_xarray(data=pairs <= MOST_PAIRS)
            write_netcdf(tree, self.staging / "posterior.nc")
        except ImportError as error:
            left_out.append(_left_out("posterior.nc", error))
        return left_out

    def _tensors(self, result: WrittenRun) -> None:
        from safetensors.torch import save

        for file, tensors in (
            (PARTICLES, particle_tensors(result)),
            (DETAILS, detail_tensors(result)),
        ):
            (self.staging / file).write_bytes(save(tensors))


def _left_out(output: str, error: ImportError) -> str:
    command = install_command("report", error.name or "")
    return f"{output} is left out: `{error.name}` is not installed ({command})"
