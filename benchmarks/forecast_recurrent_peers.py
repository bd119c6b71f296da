"""Recurrent networks of Darts and NeuralForecast for `forecast_peers.py`, on one thread.

Each as its library has it, but for what is said here. Training stops after some processor seconds,
wherever it then is: how many updates it had done is told beside the figures.
"""

import logging
import time
import warnings

import pytorch_lightning as lightning
import torch

# What they say at each fit, of seeds and devices.
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")


class ProcessorTimeLimit(lightning.Callback):
    """Stop training after some processor seconds.

    Parameters
    ----------
    seconds : float

    Attributes
    ----------
    note : str
        Updates and epochs done when training ended, and whether this was the limit.
    """

    def __init__(self, seconds):
        self.seconds = seconds
        self.note = ""

    def __deepcopy__(self, memo):
        """Stay the same: NeuralForecast copies its models, and the caller reads the note."""
        return self

    def on_train_start(self, trainer, module):
        """Start the clock."""
        self.start, self.was_reached = time.process_time(), False

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        """Stop when time is up."""
        if time.process_time() - self.start > self.seconds:
            self.was_reached = trainer.should_stop = True

    def on_train_end(self, trainer, module):
        """Note how far training came."""
        epochs = trainer.global_step / max(trainer.num_training_batches, 1)
        end = "stopped by the limit after" if self.was_reached else "after"
        self.note = f"{end} {trainer.global_step} updates, {epochs:.3g} epochs"


def _trainer_options(limit):
    torch.set_num_threads(1)
    return {
        "accelerator": "cpu",
        "callbacks": [limit],
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
    }


def forecast_darts(frame, season, horizon, seconds):
    """Fit the LSTM of Darts to all series.

    `RNNModel` as in its example 04 (scaled series, a history of a season and two steps, training on
    as much and the horizon) with 64 units, and without the month and the year, which these sets do
    not tell; 100 epochs, its default. Without a season the history is two horizons.

    Returns
    -------
    forecast : ndarray of shape (n_series * horizon,)
        Series after series.
    note : str
        How far training came.
    """
    import numpy as np
    from darts import TimeSeries
    from darts.dataprocessing.transformers import Scaler
    from darts.models import RNNModel

    groups = [group["y"].to_numpy(np.float32) for _, group in frame.groupby("unique_id")]
    shortest = min(len(values) for values in groups)
    history = season + 2 if season > 1 else 2 * horizon
    length = min(history + horizon, shortest - 1)
    scaler, limit = Scaler(), ProcessorTimeLimit(seconds)
    series = scaler.fit_transform([TimeSeries.from_values(values) for values in groups])
    model = RNNModel(
        model="LSTM",
        hidden_dim=64,
        input_chunk_length=min(history, length - 1),
        training_length=length,
        random_state=0,
        pl_trainer_kwargs=_trainer_options(limit),
    )
    model.fit(series)
    predicted = scaler.inverse_transform(model.predict(horizon, series=series, verbose=False))
    return np.concatenate([part.values()[:, 0] for part in predicted]), limit.note


def forecast_neuralforecast(name, frame, season, horizon, seconds):
    """Fit a network of NeuralForecast to all series, with its defaults; returns as Darts' does.

    They are two layers of 200 units, a history of three horizons, 1000 updates. Where a series is
    shorter than that they want to be told to pad it.
    """
    from neuralforecast import NeuralForecast, models

    limit = ProcessorTimeLimit(seconds)
    network = getattr(models, name)(
        h=horizon,
        random_seed=0,
        start_padding_enabled=bool(frame.groupby("unique_id").size().min() < 4 * horizon),
        **_trainer_options(limit),
    )
    fitted = NeuralForecast(models=[network], freq=1)
    fitted.fit(frame)
    result = fitted.predict().sort_values(["unique_id", "ds"])
    return result[name].to_numpy(), limit.note
