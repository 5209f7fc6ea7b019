"""A recurrent network that reads a digit row by row (Hochreiter & Schmidhuber 1997)."""

from torch import Tensor, nn


class DigitsLSTM(nn.Module):
    """Two LSTM layers over 8 rows of 8 pixels, then a linear layer: (n, 1, 8, 8) → logits (n, 10)."""

    def __init__(self, hidden: int = 64):
        super().__init__()
        self.lstm = nn.LSTM(input_size=8, hidden_size=hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, 10)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(x.squeeze(1))
        logits: Tensor = self.head(states[:, -1])
        return logits
