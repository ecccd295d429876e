"""Times nfbmr beside PyTorch, ONNX Runtime and OpenVINO: the same networks, weights and images.

    pip install -r requirements.txt
    python compare.py --preset default --batch 1 --json OUT.json

and on an NVIDIA GPU with `--device cuda`, beside PyTorch alone: eager and compiled, in f32 and in TF32.

Builds the example `latency`, has it write an untrained model, gives the flow factors that aren't zero,
loads the file in PyTorch (`networks.py`), exports ONNX, checks that the outputs of all agree, and times
them in turn, each in a process of its own, round after round. A figure is the median over the rounds of
the median of a round; ratios are ours divided by the rival's, below 1 where we are faster.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[2]
INFERENCE = ["torch nchw", "torch channels-last", "onnxruntime", "openvino f32", "openvino bf16"]
TRAINING = ["torch nchw", "torch channels-last"]
GPU = ["torch eager f32", "torch eager tf32", "torch compiled f32", "torch compiled tf32"]
# How far outputs may lie from ours, as a share of the largest value; bf16 has 8 bits. On a GPU ours are
# TF32, of 11, and likelihoods square what differs.
TOLERANCE = {"openvino bf16": 0.2, **dict.fromkeys(GPU, 5e-2)}


# ---------------------------------------------------------------------------------------------
# Workers: each prepares one rival, then times it whenever it is told to
# ---------------------------------------------------------------------------------------------


def torch_layout(engine):
    import torch

    return torch.channels_last if "channels-last" in engine else torch.contiguous_format


def set_up_torch(engine, threads):
    """Threads and precision; a function that compiles a module if the engine does."""
    import torch

    torch.set_num_threads(threads)
    if engine in GPU:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = "tf32" in engine
        torch.backends.cudnn.benchmark = True
    return torch.compile if "compiled" in engine else lambda module, **_: module


def inference(engine, folder, part, threads, device):
    """A function that runs the rival once and returns its outputs as numpy arrays."""
    from safetensors.numpy import load_file

    x = load_file(folder / "outputs.safetensors")["x"]
    if engine.startswith("torch"):
        import torch
        from networks import Detector

        compile = set_up_torch(engine, threads)
        layout = torch_layout(engine)
        detector = Detector(folder / "model.nfbmr").to(device, memory_format=layout)
        detector = detector.backbone if part == "backbone" else detector
        detector = compile(detector, mode="reduce-overhead")
        image = torch.from_numpy(x).to(device).contiguous(memory_format=layout)

        def run():
            with torch.inference_mode():
                outputs = detector(image)
            return [output.cpu().numpy() for output in outputs]

        return run
    if engine == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        path = str(folder / f"{part}.onnx")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda: session.run(None, {"x": x})

    import openvino

    hints = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": engine.split()[1],
    }
    compiled = openvino.Core().compile_model(str(folder / f"{part}.onnx"), "CPU", hints)
    request = compiled.create_infer_request()

    def run():
        request.infer({0: x})
        return [request.get_output_tensor(i).data for i in range(len(compiled.outputs))]

    return run


def training(engine, folder, threads, device):
    """A function that takes one step of the flow and one of the mapping network of each level; their times in ms."""
    import torch
    from networks import Detector
    from nf_bmr import Bmr, Flow, bmr_optimizer, bmr_step, flow_optimizer, flow_step

    compile = set_up_torch(engine, threads)
    layout = torch_layout(engine)
    detector = Detector(folder / "model.nfbmr").to(device)
    side = detector.config["input_size"]
    images = torch.rand(8, 3, side, side, device=device)
    steps = []
    for level, y in zip(detector.levels, detector.backbone(images)):
        with torch.no_grad():
            y = level.whitening(y).contiguous(memory_format=layout)
        flow, bmr = level.flow.to(memory_format=layout), level.bmr.to(memory_format=layout)
        for parameter in (*flow.parameters(), *bmr.parameters()):
            parameter.requires_grad_(True)
        z = flow(y)[0].detach().contiguous(memory_format=layout)
        flow, bmr = compile(flow), compile(bmr)
        steps.append((flow, flow_optimizer(flow), bmr, bmr_optimizer(bmr), y, z))

    def run():
        start = time.perf_counter()
        for flow, flow_adam, _, _, y, _ in steps:
            flow_step(flow, flow_adam, y)[0].item()
        between = time.perf_counter()
        for _, _, bmr, bmr_adam, y, z in steps:
            bmr_step(bmr, bmr_adam, y, z).item()
        return [1e3 * (between - start), 1e3 * (time.perf_counter() - between)]

    return run


def peak_rss_mb():
    """Peak resident memory; `ru_maxrss` would begin with that of the parent process."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def work(arguments):
    """Prepares a rival, then answers each line on standard input with one of JSON."""
    folder = pathlib.Path(arguments.folder)
    threads = arguments.threads
    if arguments.work == "training":
        run = training(arguments.engine, folder, threads, arguments.device)
        reply = {}
    else:
        import numpy
        from safetensors.numpy import load_file

        run = inference(arguments.engine, folder, arguments.work, threads, arguments.device)
        ours = load_file(folder / "outputs.safetensors")
        levels = sum(name.startswith("y.") for name in ours)
        kinds = ["y"] if arguments.work == "backbone" else ["source", "target", "likelihood"]
        names = [f"{kind}.{level}" for level in range(levels) for kind in kinds]
        error = lambda name, other: float(
            numpy.abs(ours[name] - other).max() / numpy.abs(ours[name]).max()
        )
        reply = {"errors": {name: error(name, other) for name, other in zip(names, run())}}
    run()
    print(json.dumps(reply), flush=True)
    for line in sys.stdin:
        seconds, times, parts = float(line), [], []
        started = time.perf_counter()
        while time.perf_counter() - started < seconds or len(times) < 3:
            start = time.perf_counter()
            result = run()
            times.append(1e3 * (time.perf_counter() - start))
            if arguments.work == "training":
                parts.append(result)
        reply = {"ms": statistics.median(times)}
        if parts:
            reply["parts"] = [statistics.median(part) for part in zip(*parts)]
        reply["peak_rss_mb"] = peak_rss_mb()
        print(json.dumps(reply), flush=True)


class Worker:
    def __init__(self, engine, folder, work, arguments):
        threads = arguments.threads
        command = [sys.executable, __file__, "--engine", engine, "--folder", str(folder)]
        command += ["--work", work, "--threads", str(threads), "--device", arguments.device]
        pipe = subprocess.PIPE
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment
        )
        self.first = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended")
        return json.loads(line)

    def time(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return self.read()

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


# ---------------------------------------------------------------------------------------------
# The comparison
# ---------------------------------------------------------------------------------------------


def export(folder):
    """Writes the whole network and the backbone alone as ONNX."""
    import torch
    from networks import Detector
    from safetensors.torch import load_file

    detector = Detector(folder / "model.nfbmr")
    x = load_file(folder / "outputs.safetensors")["x"]
    for part, module in {"network": detector, "backbone": detector.backbone}.items():
        path = folder / f"{part}.onnx"
        torch.onnx.export(module, (x,), str(path), input_names=["x"], dynamo=False)


def latency(binary, arguments, *options):
    """Runs the example."""
    command = [binary, "--threads", arguments.threads, "--device", arguments.device, *options]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)


def prepare(binary, folder, arguments):
    from networks import read_model, without_trivial_factors, write_model

    untrained = folder / "untrained.nfbmr"
    latency(binary, arguments, "--preset", arguments.preset, "--save", untrained)
    tensors, metadata = read_model(untrained)
    untrained.unlink()
    write_model(folder / "model.nfbmr", without_trivial_factors(tensors), metadata)
    options = ["--model", folder / "model.nfbmr", "--batch", arguments.batch]
    latency(binary, arguments, *options, "--outputs", folder / "outputs.safetensors")


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def table(title, ours, rivals, unit="ms"):
    lines = [f"{title} | {unit} | ours / rival | peak RSS, MB | largest difference", "---|---|---|---|---"]
    lines.append(f"nfbmr | {ours['ms']:.1f} | | {ours['peak_rss_mb']:.0f} |")
    for name, rival in rivals.items():
        error = max(rival["errors"].values(), default=None) if "errors" in rival else None
        error = "" if error is None else f"{error:.0e}"
        ratio = ours["ms"] / rival["ms"]
        lines.append(
            f"{name} | {rival['ms']:.1f} | {ratio:.2f} | {rival['peak_rss_mb']:.0f} | {error}"
        )
    return "\n".join(f"| {line} |" for line in lines)


def compare(binary, folder, arguments, work, engines):
    """Medians of ours and of each rival for one kind of work."""
    options = ["--model", folder / "model.nfbmr", "--batch", arguments.batch]
    options += ["--seconds", arguments.seconds, "--json", folder / "ours.json"]
    options += ["--train-steps", arguments.train_steps if work == "training" else 0]
    workers = {engine: Worker(engine, folder, work, arguments) for engine in engines}
    ours, theirs = [], {engine: [] for engine in engines}
    for round_ in range(arguments.rounds):
        print(f"{work}: round {round_ + 1} of {arguments.rounds}", file=sys.stderr)
        latency(binary, arguments, *options)
        ours.append(json.loads((folder / "ours.json").read_text()))
        for engine, worker in workers.items():
            theirs[engine].append(worker.time(arguments.seconds))
    for engine, worker in workers.items():
        worker.stop()
        for name, error in worker.first.get("errors", {}).items():
            # Wrong answers in no time are no rival.
            if not error < TOLERANCE.get(engine, 1e-3):
                raise ValueError(f"{engine}: {name} differs by {error}")
    figure = {
        "network": lambda row: row["network_ms"],
        "backbone": lambda row: row["parts"]["backbone"],
        "training": lambda row: row["train_step_ms"],
    }[work]
    result = {
        "ours": {
            "ms": statistics.median(map(figure, ours)),
            "peak_rss_mb": median(ours, "peak_rss_mb"),
            "rounds": ours,
        },
        "rivals": {
            engine: {
                "ms": median(rows, "ms"),
                "peak_rss_mb": rows[-1]["peak_rss_mb"],
                "rounds": rows,
                **workers[engine].first,
            }
            for engine, rows in theirs.items()
        },
    }
    print(table(f"{work}, batch {arguments.batch}", result["ours"], result["rivals"]), "\n")
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=("default", "paper"), default="default")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each, in each round")
    parser.add_argument("--train-steps", type=int, default=20)
    parser.add_argument("--only", nargs="+", default=["network", "backbone", "training"])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--engines", nargs="+")
    parser.add_argument("--binary", help="a built example `latency`")
    parser.add_argument("--json", help="output file")
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine:
        return work(arguments)

    gpu = arguments.device != "cpu"
    inference, training = (GPU, GPU) if gpu else (INFERENCE, TRAINING)
    binary = arguments.binary
    if not binary:
        build = ["cargo", "build", "--release", "--example", "latency", "--locked"]
        build += ["--features", "cuda"] if gpu else []
        subprocess.run(build, check=True, cwd=ROOT)
        binary = ROOT / "target" / "release" / "examples" / "latency"
    print(f"{platform.processor() or platform.machine()}, {arguments.device}, {arguments.threads} threads, "
          f"preset {arguments.preset}, {time.strftime('%Y-%m-%d')}\n")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        prepare(binary, folder, arguments)
        if not gpu and set(arguments.only) & {"network", "backbone"}:
            # In a process of its own: the exporter's memory isn't anybody's.
            subprocess.run(
                [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r});"
                 f"import compare, pathlib; compare.export(pathlib.Path({str(folder)!r}))"],
                check=True,
            )
        for kind in arguments.only:
            engines = training if kind == "training" else inference
            engines = [engine for engine in engines if engine in (arguments.engines or engines)]
            results[kind] = compare(binary, folder, arguments, kind, engines)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
