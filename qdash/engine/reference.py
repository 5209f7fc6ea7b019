"""What FP32 computed on one batch: what everything quantized is compared with."""

import torch
from torch import Tensor

from qdash.engine.reading import Reading
from qdash.engine.tape.tape import Tape
from qdash.tensors.energy import energy
from qdash.tensors.trees import first_float


class Reference:
    """The outputs of a recorded FP32 forward: the model's, and those of its layers.

    reading: of the model's output.
    """

    def __init__(self, tape: Tape, reading: Reading):
        self.reading = reading
        self._tape = tape
        self._outputs: dict[str, list[Tensor]] = {}
        self._energies: dict[str, Tensor] = {}

    def outputs(self, site: str) -> list[Tensor]:
        """Of a layer's module, one per call, of any shape."""
        if site not in self._outputs:
            found = [first_float(self._tape.slots[slot].output) for slot in self._tape.calls.get(site, ())]
            self._outputs[site] = [output for output in found if output is not None]
        return self._outputs[site]

    def energies(self, site: str) -> Tensor:
        """Σ x² of each of these outputs, (calls,) float64; the same for all settings."""
        if site not in self._energies:
            outputs = self.outputs(site)
            found = torch.empty(len(outputs), dtype=torch.float64, device=self.reading.judged.device)
            with torch.no_grad():
                for call, output in enumerate(outputs):
                    found[call] = energy(output)
            self._energies[site] = found
        return self._energies[site]
