"""The glossary: what every term on the screen means, with its formula; shown as help on hover."""

import re

GLOSSARY = {
    "sensitivity": "How much the model's output changes when this layer is quantized. Ranked by the model-output KL "
    "where outputs are class scores, else by the model-output SQNR; worst first.",
    "damage": "What layers quantized one at a time do to the model's output, added up: mean KL over samples, or noise "
    "energy where outputs are not class scores. The shares are an estimate: errors are taken to add.",
    "sqnr_db": r"Signal-to-quantization-noise ratio: $10\log_{10}(\sum x^2 / \sum (x-\tilde x)^2)$ in dB, sums over "
    "all samples. Higher is better; about 6 dB per bit. ∞ dB means no error at all.",
    "model_output_sqnr_db": r"SQNR of the model's output: $10\log_{10}(\sum y^2 / \sum (y-\tilde y)^2)$ in dB, FP32 "
    "output against the output with this layer quantized. Higher is better.",
    "model_output_kl": r"$\mathrm{KL}(p_{FP32}\,\|\,p_{quantized})$ in nats over the class probabilities, mean over "
    "samples. 0 means the same probabilities; larger is worse.",
    "layer_output_sqnr_db": "SQNR of the layer's own output in dB, with the FP32 input. Local: later layers may absorb "
    "or amplify it.",
    "weight_sqnr_db": "SQNR of the weights in dB: FP32 weights against quantized weights.",
    "input_sqnr_db": "SQNR of the layer's input in dB: FP32 activations against quantized activations.",
    "cumulative_sqnr_db": "SQNR in dB at this layer's output when every layer is quantized: the error that has piled "
    "up so far along the network.",
    "metric_delta": "Metric with quantization minus metric in FP32 on the same samples, in points, with a paired 95 % "
    "interval (Tango's score interval for right/wrong outcomes, else a BCa bootstrap).",
    "interval": "95 % confidence interval. A bar whose interval crosses the tolerance is not decided yet; more samples "
    "make it narrower, with the square root of their number.",
    "flipped": "Share of samples whose predicted class changes.",
    "cosine": r"$\sum y\tilde y / (\|y\|\,\|\tilde y\|)$ of the model's outputs, signed: −1 is a flipped output.",
    "keep_fp32": "These layers are left as they are; every other layer is quantized.",
    "frontier": "The k most sensitive layers kept in FP32, for growing k, each such model measured on the evaluation "
    "samples. Not added up from single layers.",
    "max_drop_points": "How many points of the metric the mixed model may lose against FP32.",
    "verdict": "Shown: the whole 95 % interval is within the tolerance. Not yet shown: the point estimate is, the "
    "interval is not. Not met: no measured set is.",
    "size_mb": "All parameters in MB (10⁶ bytes): quantized weights at their bits plus one FP32 scale per tensor or "
    "channel, everything else at 32 bits.",
    "params": "Numbers that the model has learned.",
    "macs": "Multiply-accumulates per sample: products of a weight and an input that are added up. One forward pass of "
    "the model costs this many.",
    "coverage": "The share of the model's parameters and multiply-accumulates that lies in layers that qdash can "
    "quantize. What is left out is listed with its reason.",
    "forwards": "Work in FP32 passes over the evaluation samples, counted in multiply-accumulates; what quantizing "
    "itself costs comes on top.",
    "baseline": "The FP32 model on the same samples, BatchNorm folded into the layer before it.",
    "all_quantized": "Every layer quantized at once.",
    "scale": "Scale $S$: the distance between two levels; $\\tilde x = (Q(x) - Z) \\cdot S$.",
    "zero_point": "Zero point $Z$: the level that stands for exactly 0.",
    "clipped": "Clipped: the share of values beyond the range by more than half a step; from histogram.",
    "saturated": "Saturated: the share of values that come out on the lowest or highest level, clipped ones included, "
    "unless that level is 0; from histogram.",
    "kurtosis": r"Kurtosis $E(x-\mu)^4 / \sigma^4$, plain: 3 for a normal distribution, 1.8 for an even one. Much more "
    "means a few values far out, for which all others share few levels; from histogram.",
    "dead_channels": "Dead channels hold only zeros; exact.",
    "exact": "Exact: computed from all samples measured so far.",
    "estimated": "Estimated: extrapolated, not measured.",
    "agreement": r"Spearman's $\rho$: the correlation of the two orders of the layers; 1 is the same order, 0 none. "
    "The difference in dB is between estimated and measured model-output SQNR, layer by layer.",
    "from_histogram": "From histogram: computed from the calibration histogram, not from the values themselves.",
    "measured": "Measured: the model was run on the evaluation samples.",
    "model": "The model whose layers are looked at: one that ships with qdash, or your own.",
    "weights": "A file with the weights: .safetensors, or .pt/.pth/.th with a state_dict. Empty: the model comes with "
    "its own.",
    "output": "Which of the model's outputs is judged: an index, a key, a path such as `heads.0`, or `all`. Empty: all "
    "of them together, each over its own energy; class scores are told by the labels.",
    "class_axis": "The axis of the output along which the classes lie, where its shape leaves a choice; axis 0 are "
    "the samples.",
    "ignore_label": "Labels with this value mark positions that don't count, such as -100 for padding or 255 for "
    "unlabelled pixels: in the metric, in KL and in fine-tuning.",
    "weights_key": "Which entry of the weights file holds the weights, where several fit, such as `ema`.",
    "data": "The samples that the model is judged on: a set that ships with qdash, or your own.",
    "calibration_data": "Samples that fix the input ranges, apart from those the metric is measured on. Empty: a "
    "quarter of the data, at most 1,024 samples, seeded and stratified, is set aside.",
    "qat": "Quantization-aware training: forward with quantized weights and inputs, backward as if rounding were the "
    "identity (straight-through estimator); clipped values get no gradient. Layers in FP32 stay as they are.",
    "before_training": "Before the fine-tune: the same layer quantized alone, not trained, on the same samples (PTQ).",
    "training_data": "Samples to fine-tune on, never those that are evaluated. Empty: the training split of the data "
    "where it has one, else the calibration samples.",
    "mode": "When weights and inputs are quantized, and where an input's range comes from.",
    "observers": "From the statistics of a tensor to its clipping range [α, β]. All observers share one calibration "
    "pass.",
    "weight_formats": "The grid of the weights. Several make a matrix: every layer under every combination.",
    "activation_formats": "The grid of the layer's input.",
    "weight_granularity": "Which weights share one scale.",
    "activation_granularity": "Which input values share one scale. Empty: per tensor in static mode, per token or "
    "sample in dynamic mode.",
    "weight_scheme": r"Symmetric: $Z=0$, $S=\max|w|/q_{max}$. Affine: $S=(\beta-\alpha)/(q_{max}-q_{min})$, "
    r"$Z=\mathrm{round}(q_{min}-\alpha/S)$.",
    "activation_scheme": r"Affine: $S=(\beta-\alpha)/(q_{max}-q_{min})$, $Z=\mathrm{round}(q_{min}-\alpha/S)$: all "
    "levels are used also for inputs of one sign. Symmetric: $Z=0$.",
    "method": "How the damage that a layer's quantization does is measured.",
    "metric": "What the model is judged by.",
    "samples": "How many evaluation samples are used, from a seeded shuffle. Empty: all.",
    "calibration_samples": "How many samples fix the input ranges. Empty: 100 batches, or all there are.",
    "batch_size": "Evaluation samples per batch. Results do not depend on it; memory does.",
    "calibration_batch_size": "Calibration samples per batch. Only observers that follow batches, such as a moving "
    "average, depend on it.",
    "layers": "Comma-separated patterns of whole layer names, such as layer3.*,fc. An asterisk stands for anything.",
    "device": "auto takes a GPU where there is one; or cpu, cuda, cuda:1.",
    "memory_format": "auto lets convolutions run channels-last where the model can, which is faster; contiguous keeps "
    "the model's own layout. Results agree to rounding.",
    "seed": "Fixes which samples are drawn and every resampling.",
    "power_of_two_scales": r"Every scale is rounded up to a power of two, as hardware that shifts instead of "
    r"multiplying needs it: $S = 2^{\lceil\log_2 S\rceil}$.",
    "include": "Also treats matrix products, attention and residual sums as layers: their inputs are quantized, "
    "as static INT8 runtimes do.",
    "paranoid": "A random tenth of the replayed outputs is compared, bit by bit, with full forward passes.",
    "until_decided": "A layer is measured on more samples only until its interval lies on one side of the tolerance; "
    "the intervals stay valid under these repeated looks.",
    "tolerance": "The loss in points that one layer may cause, for measuring until decided.",
    "samples_to_decide": "How many samples would decide an undecided layer, if its rates stay as they are.",
    "loss_change": "First-order change of the cross-entropy loss, $g\\cdot\\delta$, estimated from one backward pass.",
    "status": "Queued: waits for the worker. Running. Done. Failed: see the message. Cancelled or interrupted: what "
    "was found is kept, and the run can be resumed.",
}


def help_text(term: str) -> str:
    """The help of a term. Raises KeyError for a term that nobody has explained."""
    return GLOSSARY[term]


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: no link, no emphasis, no list, no formula, no colour, no picture.

    >>> print(escaped("blocks.0__dw costs 5$"))
    blocks.0\\_\\_dw costs 5\\$
    >>> print(escaped("- www.a.b and a@b.c"))
    \\- www\\.a.b and a\\@b.c
    """
    text = re.sub(r"([\\`*_{}\[\]<>#$~:|&@!])", r"\\\1", text)
    text = re.sub(r"(?i)(www)\.", r"\1\\.", text)
    return re.sub(r"(?m)^(\s*\d*)([-+=.)])", r"\1\\\2", text)
