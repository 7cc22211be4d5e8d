"""Settings that are wrong: each with the place, the code and a part of what is said."""

from __future__ import annotations

import pytest

GOOD = """\
name: net
seed: 0
data:
  source: iris
  split: {validation: 0.2, test: 0.2}
  preprocess: [standardize]
  batch_size: 16
model:
  - dense: {units: 8, activation: relu}
  - dense: 3
loss: cross_entropy
metrics: [accuracy]
optimizer: {adam: {learning_rate: 0.01}}
train:
  epochs: 2
  stop: {monitor: validation/loss, patience: 2}
  checkpoint: {every: 1 epoch, keep: 3}
diagnose: true
executor: numpy
threads: 1
dtype: float32
"""
TRAIN = GOOD[GOOD.index("train:") : GOOD.index("\ndiagnose:")]
MODEL = GOOD[GOOD.index("model:") : GOOD.index("loss:")]

# What is replaced in GOOD, and by what: what is pointed at stands between « and ».
BAD: dict[str, list[tuple[str, str, str | None]]] = {
    "seed:": [
        ("«sede»:", "config-unknown-key", 'did you mean "seed"?'),
        ("«random_state»:", "config-unknown-key", "its keys are"),
        ("«sееd»:", "config-unknown-key", "U+0435"),
        ("«\u200bseed»:", "config-unknown-key", "U+200B"),
        ("«ｓｅｅｄ»:", "config-unknown-key", 'did you mean "seed"?'),
        ("«“seed”»:", "config-unknown-key", 'did you mean "seed"?'),
    ],
    "epochs: 2": [
        ("«epochs»:", "config-type", "write a value, or null"),
        ("epochs: 2\n  «clip_norm»:   # none", "config-type", "a number above 0"),
    ],
    "{monitor: validation/loss, patience: 2}": [
        ("{«patience»: , monitor: validation/loss}", "config-type", "or null"),
        ("{patience: «None», monitor: validation/loss}", "config-type", "write null"),
    ],
    "source: iris\n  split: {validation: 0.2, test: 0.2}": [
        ("«path»: a.csv\n  split: {}", "config-unknown-key",
         "it belongs in data.source.file"),
    ],
    "split: {validation: 0.2": [
        ("split: {validation: «15»", "config-range", "did you mean 0.15?"),
    ],
    "data:": [
        ("«dta»:", "config-unknown-key", 'did you mean "data"?'),
    ],
    "  epochs:": [
        ("  «epoch»:", "config-unknown-key", 'did you mean "epochs"?'),
    ],
    "epochs:": [
        ("«Epochs»:", "config-unknown-key", 'did you mean "epochs"?'),
    ],
    "batch_size:": [
        ("«batchsize»:", "config-unknown-key", 'did you mean "batch_size"?'),
        ("«batch-size»:", "config-unknown-key", 'did you mean "batch_size"?'),
    ],
    "units:": [
        ("«unit»:", "config-unknown-key", 'did you mean "units"?'),
    ],
    "learning_rate:": [
        ("«learning_rte»:", "config-unknown-key", '"learning_rate"'),
        ("«lr»:", "config-unknown-key", '"learning_rate"'),
    ],
    "keep:": [
        ("«kept»:", "config-unknown-key", "every, keep"),
    ],
    "monitor:": [
        ("«moniter»:", "config-unknown-key", '"monitor"'),
    ],
    "validation:": [
        ("«val»:", "config-unknown-key", '"validation"'),
        ("«valid»:", "config-unknown-key", '"validation"'),
    ],
    "diagnose:": [
        ("«diagnosis»:", "config-unknown-key", '"diagnose"'),
    ],
    "threads:": [
        ("«thread»:", "config-unknown-key", '"threads"'),
    ],
    "seed: 0": [
        ("«learning_rate»: 0.1", "config-unknown-key", "optimizer.adam"),
        ("«epochs»: 3", "config-unknown-key", "it belongs in train"),
        ("«patience»: 3", "config-unknown-key", "it belongs in train.stop"),
        ("«batch_size»: 3", "config-unknown-key", "it belongs in data"),
        ("«source»: iris", "config-unknown-key", "it belongs in data"),
        ("«clip_norm»: 1", "config-unknown-key", "it belongs in train"),
        ("«adam»: {}", "config-unknown-key", "it belongs in optimizer"),
        ("«accuracy»:", "config-unknown-key", "it belongs in metrics"),
        ("«dense»: 3", "config-unknown-key", "it belongs in model"),
        ("«keep»: 3", "config-unknown-key", "it belongs in train.checkpoint"),
        ("seed: «one»", "config-type", "expected an integer"),
        ("seed: «1.5»", "config-type", "expected an integer"),
        ("seed: «1e3»", "config-type", "write 1000"),
        ("seed: «1,000»", "config-type", "expected an integer"),
        ("seed: «1_000»", "config-type", "write 1000"),
        ("seed: «0b101»", "config-type", "write 5"),
        ("seed: «'7'»", "config-type", "write 7"),
        ("seed: «true»", "config-type", "expected an integer"),
        ("«seed»:", "config-type", "got nothing"),
        ("seed: «~»", "config-type", "got nothing"),
        ("seed: «[0]»", "config-type", "by itself"),
        ("seed: «{a: 0}»", "config-type", "expected an integer"),
        ("seed: «-1»", "config-range", "at least 0"),
        ("seed: «−1»", "config-type", "expected an integer"),
        ("seed: «−0»", "config-type", "write 0"),
        ("seed: «٣»", "config-type", "write 3"),
        ("seed: «12:30:45»", "config-type", "expected an integer"),
        ("seed: «2024-01-31»", "config-type", "expected an integer"),
        ("seed: «9223372036854775808»", "config-range", "64 bits"),
        ("seed: «.inf»", "config-type", "expected an integer"),
        ("seed: «0o8»", "config-type", "expected an integer"),
        ("seed: «0xG»", "config-type", "expected an integer"),
        ("seed: «auto»", "config-type", "expected an integer"),
    ],
    "  epochs: 2": [
        ("  epochs: 2\n  clip_norm: «0,5»", "config-type", "write 0.5"),
        ("  epochs: 2\n  clip_norm: «1,000»", "config-type", "a number above 0"),
        ("  epochs: 2\n  «seed»: 3", "config-unknown-key", "top level"),
        ("  epochs: 2\n  «optimizer»: sgd", "config-unknown-key", "top level"),
        ("  epochs: 2\n  «batch_size»: 3", "config-unknown-key", "in data"),
        ("  epochs: 2\n  «patience»: 3", "config-unknown-key", "in train.stop"),
        ("  epochs: «0»", "config-range", "at least 1"),
        ("  epochs: «2.5»", "config-type", "an integer"),
        ("  epochs: «2 epochs»", "config-type", "an integer"),
        ("  epochs: «1e9»", "config-type", "write 1000000000"),
        ("  epochs: «2»\n  steps: 3", "config-conflict", "leave one"),
    ],
    "units: 8": [
        ("units: 8, «dropout»: 0.1", "config-unknown-key", "it belongs in model"),
        ("units: 8, «rate»: 0.1", "config-unknown-key", "in model.dropout"),
        ("units: «0»", "config-range", "at least 1"),
        ("units: «-8»", "config-range", "at least 1"),
        ("units: «8.5»", "config-type", "an integer"),
        ("units: «eight»", "config-type", "an integer"),
        ("units: «Auto»", "config-type", '"auto"'),
        ("units: «[8]»", "config-type", None),
        ("units: «9223372036854775808»", "config-range", "64 bits"),
        ("units: 8, bias: «no»", "config-type", "write false"),
        ("units: 8, weight_l2: «1 %»", "config-type", "write 0.01"),
    ],
    "learning_rate: 0.01": [
        ("learning_rate: 0.01, «momentum»: 0.9",
         "config-unknown-key", "optimizer.rmsprop or optimizer.sgd"),
        ("learning_rate: 0.01, «warmup»: 5 %",
         "config-unknown-key", "learning_rate.cosine"),
        ("learning_rate: {«step»: }", "config-missing-key", "add initial"),
        ("learning_rate: 0,«01»", "config-key", "a point: 0.01"),
        ("learning_rate: «'0.01'»", "config-type", "write 0.01"),
        ("learning_rate: «1%»", "config-type", "write 0.01"),
        ("learning_rate: «1 %»", "config-type", "write 0.01"),
        ("learning_rate: «1e»", "config-type", "a number at least 0"),
        ("learning_rate: «1e-»", "config-type", "a number at least 0"),
        ("learning_rate: «1 e-3»", "config-type", "a number at least 0"),
        ("learning_rate: «10^-3»", "config-type", "a number at least 0"),
        ("learning_rate: «-0.01»", "config-range", "at least 0"),
        ("learning_rate: «.nan»", "config-type", "finite"),
        ("learning_rate: «.inf»", "config-type", "finite"),
        ("learning_rate: «1e400»", "config-type", "finite"),
        ("«learning_rate»:", "config-type", "got nothing"),
        ("learning_rate: «true»", "config-type", "a schedule"),
        ("learning_rate: «[0.01, 0.001]»", "config-type", "a schedule"),
        ("beta1: «1»", "config-range", "below 1"),
        ("beta1: «1.5»", "config-range", "below 1"),
        ("weight_decay: «-1»", "config-range", "at least 0"),
        ("learning_rate: «cosin»", "config-unknown-component", '"cosine"'),
        ("learning_rate: {cosine: {peak: «-1»}}", "config-range", "at least 0"),
        ("learning_rate: {cosine: {peak: 0.1, warmup: «5 percent»}}",
         "config-type", '"10 steps"'),
        ("learning_rate: {«cosin»: {peak: 0.1}}",
         "config-unknown-component", '"cosine"'),
    ],
    "  batch_size: 16": [
        ("  batch_size: 16\n  «stratify»: true", "config-unknown-key", "in data.split"),
        ("  batch_size: 16\n  «validation»: 0.1",
         "config-unknown-key", "in data.split"),
        ("  batch_size: 16\n  «samples»: 100", "config-unknown-key", None),
    ],
    "data:\n  source: iris\n": [
        ("«data»:\n", "config-missing-key", "add source:"),
    ],
    "dense: {units: 8, ": [
        ("«dense»: {", "config-missing-key", "add units:"),
    ],
    "- dense: 3": [
        ("- «dense»", "config-missing-key", "add units:"),
        ("- «dense»:", "config-missing-key", "add units:"),
        ("- «dropout»: {}\n  - dense: 3", "config-missing-key", "add rate:"),
        ("- «3»", "config-type", "known: attention"),
        ("- dense: 3\n  -« »", "config-type", "got nothing"),
        ("- «convolve»: 3", "config-unknown-component", "known: attention"),
        ("- «Dense»: 3", "config-unknown-component", '"dense"'),
        ("- linear: «3»", "config-type", "takes no value"),
        ("- dense: «autos»", "config-type", '"auto"'),
        ("- dropout: «1»\n  - dense: 3", "config-range", "below 1"),
        ("- dropout: «20 %»\n  - dense: 3", "config-type", "write 0.2"),
        ("- dropout: «20»\n  - dense: 3", "config-range", "did you mean 0.2?"),
        ("- repeat: {times: «0», block: [dense: 8]}\n  - dense: 3",
         "config-range", "at least 1"),
        ("- repeat: {times: «2000», block: [dense: 8]}\n  - dense: 3",
         "config-range", "at most 1000"),
        ("- residual: [«dens»: 8]\n  - dense: 3",
         "config-unknown-component", '"dense"'),
        ("- residual: «dense»\n  - dense: 3", "config-type", "a list of layers"),
    ],
    "name: net": [
        ("name: net\n«base»: a.yaml", "config-unknown-key", 'did you mean "extends"?'),
        ("name: «3»", "config-type", "a name of letters"),
        ("name: «2024-01-31 12:00»", "config-type", "a name of letters"),
        ("name: «a b»", "config-type", "a name of letters"),
        ("name: «../out»", "config-type", "a name of letters"),
        ("name: «.hidden»", "config-type", "a name of letters"),
        ("name: «größe»", "config-type", "a name of letters"),
        ("name: «''»", "config-type", "a name of letters"),
        ("name: «" + "a" * 101 + "»", "config-type", "at most 100"),
        ("name: «yes no»", "config-type", "a name of letters"),
        ("name: «true»", "config-type", "a name of letters"),
        ("name: «[net]»", "config-type", "a name of letters"),
    ],
    "diagnose: true": [
        ("diagnose: «yes»", "config-type", "write true"),
        ("diagnose: «off»", "config-type", "write false"),
        ("diagnose: «1»", "config-type", "true or false"),
        ("diagnose: «'true'»", "config-type", "write true"),
        ("diagnose: {silence: [«A9»]}", "config-type", "the id of a finding"),
        ("diagnose: {«A9»: {}}", "config-unknown-key", '"A'),
        ("diagnose: {every: «0»}", "config-range", "at least 1"),
        ("diagnose: {every: «often»}", "config-type", '"auto"'),
        ("diagnose: {silence: «G1»}", "config-type", "in brackets"),
        ("diagnose: {G1: «3»}", "config-type", None),
        ("diagnose: {G1: {«treshold»: 3}}", "config-unknown-key", '"threshold"'),
    ],
    "executor: numpy": [
        ("executor: «cuda»", "config-type", '"reference"'),
        ("executor: «nump»", "config-type", 'did you mean "numpy"?'),
    ],
    "threads: 1": [
        ("threads: «0»", "config-range", "at least 1"),
        ("threads: «2000»", "config-range", "at most 1024"),
        ("threads: «auto»", "config-type", "expected an integer"),
    ],
    "dtype: float32": [
        ("format: «true»", "config-type", "expected 1"),
        ("format: «1.0»", "config-type", "expected 1"),
        ("dtype: «float16»", "config-type", '"float32"'),
        ("dtype: «32»", "config-type", '"float32"'),
        ("format: «2»", "config-type", "expected 1"),
        ("format: «'1'»", "config-type", "expected 1"),
    ],
    "batch_size: 16": [
        ("batch_size: «0»", "config-range", "at least 1"),
        ("batch_size: «-3»", "config-range", "at least 1"),
        ("batch_size: «16.0»", "config-type", "write 16"),
        ("batch_size: «all»", "config-type", "expected an integer"),
        ("shape: «[]»", "config-shape", "a row has 4"),
        ("shape: [«0», 4]", "config-range", "at least 1"),
        ("shape: «4»", "config-type", "in brackets: [4]"),
        ("shape: [«-1»]", "config-range", "at least 1"),
        ("shape: «2x2»", "config-type", None),
    ],
    "patience: 2": [
        ("patience: «0»", "config-range", "at least 1"),
        ("patience: «2 epochs»", "config-type", "an integer"),
        ("minutes: «0»", "config-range", "above 0"),
        ("minutes: «1:30»", "config-type", "a number"),
        ("goal: «maximum»", "config-type", '"max"'),
        ("restore_best: «'yes'»", "config-type", "write true"),
        ("target: «low»", "config-type", "a number"),
    ],
    "every: 1 epoch": [
        ("every: «1 day»", "config-type", '"10 steps"'),
        ("every: «epoch»", "config-type", '"10 steps"'),
        ("every: «1.5»", "config-type", '"10 steps"'),
        ("every: «-1 epoch»", "config-type", '"10 steps"'),
        ("every: «0 epochs»", "config-value", "say every: 1 epoch"),
        ("every: «1 Epoch»", "config-type", '"10 steps"'),
        ("every: «1e400 steps»", "config-type", "at most"),
    ],
    "keep: 3": [
        ("keep: «1»", "config-range", "at least 2"),
        ("keep: «0»", "config-range", "at least 2"),
        ("keep: «all»", "config-type", "an integer"),
    ],
    "metrics: [accuracy]": [
        ("metrics: «accuracy»", "config-type", "in brackets: ["),
        ("metrics: «accuracy, f1»", "config-type", None),
        ("metrics: «{accuracy: }»", "config-type", "as a list"),
        ("metrics: [«[accuracy]»]", "config-type", "by itself"),
        ("metrics: [«3»]", "config-type", "known: accuracy"),
        ("metrics: [«~»]", "config-type", "known: accuracy"),
        ("«metrics»:", "config-type", "a list of metrics"),
        ("metrics: [«acuracy»]", "config-unknown-component", '"accuracy"'),
        ("metrics: [«loss»]", "config-unknown-component", "known:"),
        ("metrics: [f1: «macr»]", "config-type", '"macro"'),
        ("metrics: [«accuracy f1»]", "config-unknown-component", 'mean "accuracy"?'),
        ("metrics: [top_k: «0»]", "config-range", "at least 1"),
    ],
    "optimizer: {adam: {learning_rate: 0.01}}": [
        ("optimizer: «{name: adam, learning_rate: 0.1}»", "config-type",
         "write it as adam: {learning_rate: 0.1}"),
        ("optimizer: {«adam 0.1»: {beta1: 0.5}}", "config-unknown-component",
         'did you mean "adam"?'),
        ("optimizer: «{type: adam, lr: 0.1}»", "config-type",
         "write it as adam: {lr: 0.1}"),
        ("optimizer: {adam: {learning_rate: {cosine: {peak: 1, warmup: «101 %»}}}}",
         "config-type", "at most 100 %"),
        ("optimizer: «[adam]»", "config-type", "in no list: adam"),
        ("optimizer: «{adam: {}, sgd: {}}»", "config-type", None),
        ("«optimizer»:\n  adam:\n  learning_rate: 0.01", "config-type", "inside adam"),
        ("optimizer: «{adam: 1, sgd: 1}»", "config-type", "keep one of adam, sgd"),
        ("optimizer: «{}»", "config-type", "known: adadelta"),
        ("optimizer: «0.01»", "config-type", "known: adadelta"),
        ("optimizer: {«learning_rate»: 0.01}",
         "config-unknown-component", "known: adadelta"),
        ("«optimizer»:", "config-type", "known: adadelta"),
        ("optimizer: {«sgd»: {nesterov: true}}", "config-value", "momentum"),
    ],
    "- dense: {units: 8, activation: relu}": [
        ("- linear: {«weight_l2»: 0.1}", "config-unknown-key", "or others; here its"),
        ("- linear: {«slope»: 0.1}", "config-unknown-key", "`leaky_relu` or `prelu`?"),
        ("- dropout: {rate: 0.1, «units»: 3}", "config-unknown-key", "in model.dense"),
        ("- dense: «-8»", "config-range", "did you mean 8?"),
        ("- «dense 8»", "config-unknown-component", "write it as dense: 8"),
        ("- «dropout(0.2)»", "config-unknown-component", "write it as dropout: 0.2"),
        ("- «Dense(units=8, activation=relu)»", "config-unknown-component",
         'write it as dense: {units: 8, activation: "relu"}'),
        ("- «relu()»", "config-unknown-component", "write it as relu"),
        ("- «[dense, 8]»", "config-type", "write it as dense: 8"),
        ("- «dense»: {units: 8}\n    activation: relu", "config-type", "inside dense"),
        ("- «dense»:\n    units: 8", "config-type", "inside dense"),
        ("- «[dense: 8]»", "config-type", "in no list: dense: 8"),
        ("- «dense»: 8\n    relu:", "config-type",
         'begin each of dense, relu with a "- "'),
    ],
    MODEL: [
        ("«model»:\n  dense: 3\n", "config-type", 'begins with "- "'),
        ("model: «{layers: [dense: 3]}»\n", "config-type", "leave layers out"),
        ("model: «5»\n", "config-type", "a list of layers or a mapping with"),
        ("«model»: {}\n", "config-missing-key", "the folder of a run"),
        ("«model»: {freeze: [a]}\n", "config-missing-key", "the folder of a run"),
        ("model: {«form»: runs/1}\n", "config-unknown-key", '"from"'),
        ("model: {from: runs/1, «freze»: [a], layers: [dense: 3]}\n",
         "config-unknown-key", '"freeze"'),
        ("model: {from: «[runs/1]»}\n", "config-type", "the folder of a run"),
        ("model: {from: «''»}\n", "config-type", "the folder of a run"),
        ('model: {from: «"a\\0"»}\n', "config-type", "the folder of a run"),
        ("model: {from: runs/1, freeze: «a», layers: [dense: 3]}\n",
         "config-type", "in brackets"),
        ("model: {from: runs/1, freeze: [«3»], layers: [dense: 3]}\n",
         "config-type", "in quotes"),
        ("model: {from: runs/1, layers: [«dens»: 3]}\n",
         "config-unknown-component", '"dense"'),
    ],
    "data:\n  source: iris\n  split": [
        ("data: iris\n  «split»", "config-syntax", "mend the indentation"),
    ],
    "  epochs: 2\n  stop": [
        ("  - epochs: 2\n  «s»top", "config-syntax", "mend the indentation"),
    ],
    TRAIN: [
        ("train: «5»", "config-type", "its keys are: epochs"),
        ("train: «epochs:5»", "config-type", "a blank after"),
        ("train: {«epochs:5»}", "config-unknown-key", "a blank after"),
        ("train: «[epochs: 5]»", "config-type", "its keys are: epochs"),
        ("«train»:", "config-type", "got nothing"),
    ],
    "split: {validation: 0.2, test: 0.2}": [
        ("split: «0.2»", "config-type", "its keys are: validation"),
        ("split: «[0.6, 0.2, 0.2]»", "config-type", "its keys are: validation"),
        ("«split»: {validation: 0.5, test: 0.5}", "config-split", "below 1"),
        ("split: {validation: 0.2, by: order, stratify: «true»}",
         "config-stratify", "leave one"),
    ],
    "preprocess: [standardize]": [
        ("preprocess: «standardize»", "config-type", "in brackets"),
        ("preprocess: «standardise»", "config-type", 'brackets: ["standardize"]'),
        ("preprocess: [«standardise»]", "config-unknown-component", '"standardize"'),
        ("preprocess: [«normalize»]", "config-unknown-component", "known:"),
        ("preprocess: [«min_max»: {low: 1, high: 0}]", "config-value", "not below"),
        ("preprocess: [quantile: «1»]", "config-range", "at least 2"),
    ],
    "relu}": [
        ("«rel»}", "config-unknown-component", 'did you mean "relu"?'),
        ("«ReLU»}", "config-unknown-component", 'did you mean "relu"?'),
        ("«swish»}", "config-unknown-component", 'called "silu"'),
        ("«adam»}", "config-unknown-component", "known:"),
        ("{relu: «0.1»}}", "config-type", "takes no value"),
        ("{leaky_relu: {«alpha»: 0.1}}}", "config-unknown-key", None),
        ("{leaky_relu: «big»}}", "config-type", "a number"),
    ],
    "loss: cross_entropy": [
        ("loss: «crossentropy»", "config-unknown-component", '"cross_entropy"'),
        ("loss: «softmax_cross_entropy»",
         "config-unknown-component", '"cross_entropy"'),
        ("loss: «l1»", "config-unknown-component", "known:"),
        ("loss: {cross_entropy: {label_smoothing: «2»}}", "config-range", "at most 1"),
        ("loss: {cross_entropy: {class_weights: «balance»}}",
         "config-type", '"balanced"'),
        ("loss: {cross_entropy: {class_weights: [1, «-1», 1]}}",
         "config-range", "at least 0"),
    ],
    "optimizer: {adam:": [
        ("optimizer: {«adma»:", "config-unknown-component", '"adam"'),
        ("optimizer: {«tiger»:", "config-unknown-component", "known: adadelta"),
    ],
    "source: iris": [
        ("source: «irs»", "config-unknown-component", '"iris"'),
        ("source: «mnist»", "config-unknown-component", "known:"),
        ("source: {moons: {samples: «1»}}", "config-range", "at least 2"),
        ("source: {moons: {noise: «-1»}}", "config-range", "at least 0"),
        ("source: {moons: {«samplez»: 10}}", "config-unknown-key", '"samples"'),
        ("source: «[iris]»", "config-type", "by itself"),
        ("«source»:", "config-type", None),
        ("source: «''»", "config-unknown-component", "known:"),
        ("source: «.»", "config-type", ".csv"),
        ("source: «iris.parquet»", "config-type", ".csv"),
        ("source: «C:\\data\\wine.csv»", "data-missing-file", None),
        ("source: «no/such/wine.csv»", "data-missing-file", "folder"),
        ("source: «~/wine.csv»", "data-missing-file", None),
        ("source: «https://example.org/wine.csv»", "data-missing-file", "no file"),
        ('source: «"a\\0.csv"»', "config-type", "no file can be called"),
        ('source: «"\\uD800.csv"»', "config-type", "no file can be called"),
    ],
    "validation: 0.2": [
        ("validation: «1.2»", "config-range", "at most 1"),
        ("validation: «20»", "config-range", "at most 1"),
        ("validation: «20 %»", "config-type", "write 0.2"),
        ("validation: «-0.1»", "config-range", "at least 0"),
        ("validation: «table.txt»", "config-type", "a file that ends in .csv"),
        ("validation: «valid.csv»", "data-missing-file", "valid.csv"),
    ],
    "test: 0.2": [
        ("test: 0.2, by: «ordr»", "config-type", '"order"'),
    ],
}  # fmt: skip
CASES = [(old, *case) for old, cases in BAD.items() for case in cases]


@pytest.mark.parametrize(("old", "new", "code", "said"), CASES)
def test_one_mistake_at_its_place(
    old: str, new: str, code: str, said: str | None, one_mistake
) -> None:
    assert GOOD.count(old) >= 1
    one_mistake(GOOD.replace(old, new, 1), code, said)


@pytest.mark.parametrize("section", ["loss: cross_entropy\n", MODEL])
def test_a_missing_section_is_missed_where_the_config_begins(
    section: str, one_mistake
) -> None:
    said = f"add {section.partition(':')[0]}:"
    text = GOOD.replace(section, "").replace("name", "«n»ame", 1)
    one_mistake(text, "config-missing-key", said)


def test_numbers_too_long_to_show(one_mistake) -> None:
    for old, nines, code, said in [
        ("learning_rate: 0.01", 301, "config-limit", "the longest read has 300"),
        ("every: 1 epoch", 299, "config-type", "at most 1e+15"),
    ]:
        new = f"{old.partition(':')[0]}: «{'9' * nines}»"
        one_mistake(GOOD.replace(old, new), code, said)
