"""The tables and the chart of what cpu.py measured: docs/performance.md between its marks, docs/performance.png."""

from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE, CHART = DOCS / "performance.md", DOCS / "performance.png"
BEGIN, END = "<!-- tables: begin, written by tools/bench/cpu.py -->", "<!-- tables: end -->"
TITLES = {
    "dsf": "float32",
    "dsf-low": "low memory",
    "dsf-bf16": "bf16",
    "dsf-avx2": "AVX2 only",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "openvino-bf16": "OpenVINO bf16",
}
PEAKS = {"dsf-bf16": "bf16_gmac", "openvino-bf16": "bf16_gmac", "dsf-avx2": "avx2_gmac"}  # others: fma_gmac


def write_page(results: dict) -> None:
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables(results)}\n{END}{after}")
    rows = [row for row in rows_of(results, "model") if row["threads"] == 1]
    if rows:
        draw(rows).save(CHART, optimize=True)
    print(f"written: {PAGE}, {CHART}")


def rows_of(results: dict, kind: str) -> list[dict]:
    return [row for rows in results["chunks"].values() for row in rows if row["kind"] == kind]


def tables(results: dict) -> str:
    machine, models = results["machine"], rows_of(results, "model")
    names = {name for row in models + rows_of(results, "layer") for name in row["names"].values()}
    parts = [
        (
            f"{machine.get('processor', '?')}, {machine.get('cores', '?')} cores. Beside "
            f"{', '.join(sorted(name for name in names if 'dscompress' not in name))}.\n"
        )
    ]
    peaks = {row["threads"]: row for row in rows_of(results, "peak")}
    layers = rows_of(results, "layer")
    for title, part in (
        ("Peaks of this machine", peak_table(peaks)),
        ("Models, batch 1: how many times as fast as ONNX Runtime float32", speed_table(models)),
        ("Models: share of the measured peak of multiply-adds", peak_share_table(models, peaks)),
        ("Single layers: how many times as fast as ONNX Runtime float32", speed_table(layers)),
        ("AVX2 alone, on both sides: how many times as fast as ONNX Runtime held to AVX2", avx2_table(models + layers)),
        (
            "Fully-connected layers: packed bytes read a second, of what this machine reads",
            bandwidth_table([row for row in layers if row["name"].startswith("fc")], peaks),
        ),
        (
            "Batch 16, time of an image and peak memory of the process against batch 1",
            batch_table(rows_of(results, "batch")),
        ),
        ("Peak memory of the process, Python and NumPy included", memory_table(models)),
        ("From the file to the first answer", load_table(models)),
    ):
        if part:
            parts.append(f"**{title}**\n\n{part}")
    return "\n".join(parts)


def table(head: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def sides_of(rows: list[dict]) -> list[str]:
    return [side for side in TITLES if any(side in row["seconds"] for row in rows)]


def peak_table(peaks: dict) -> str:
    columns = {
        "fma_gmac": "float32, G multiply-adds/s",
        "avx2_gmac": "float32 in AVX2",
        "bf16_gmac": "bfloat16",
        "read_gbyte": "memory read, GB/s",
    }
    rows = [
        [f"{count}", *(f"{row[name]:.0f}" if name in row else "none" for name in columns)]
        for count, row in sorted(peaks.items())
    ]
    return table(["threads", *columns.values()], rows)


def speed_table(rows: list[dict]) -> str:
    sides = sides_of(rows)
    body = []
    for row in rows:
        base = row["seconds"]["onnxruntime"]
        body.append(
            [
                row["name"],
                str(row["threads"]),
                f"{base * 1e3:.2f} ms",
                *(
                    f"{base / row['seconds'][side]:.2f}" if side in row["seconds"] else ""
                    for side in sides
                    if side != "onnxruntime"
                ),
            ]
        )
    return table(
        ["", "threads", TITLES["onnxruntime"], *(TITLES[side] for side in sides if side != "onnxruntime")], body
    )


def avx2_table(rows: list[dict]) -> str:
    names = ("onnxruntime-avx2", "dsf-avx2")
    pairs = [(row, *(row["seconds"][name] for name in names)) for row in rows if {*names} <= {*row["seconds"]}]
    return table(
        ["", "threads", "ONNX Runtime held to AVX2", "libdsf in AVX2"],
        [[row["name"], str(row["threads"]), f"{peer * 1e3:.2f} ms", f"{peer / ours:.2f}"] for row, peer, ours in pairs],
    )


def peak_share_table(rows: list[dict], peaks: dict) -> str:
    body, sides = [], sides_of(rows)
    for row in rows:
        peak = peaks.get(row["threads"])
        if not peak:
            continue
        cells = []
        for side in sides:
            most = peak.get(PEAKS.get(side, "fma_gmac"))
            known = most and side in row["seconds"]
            cells.append(f"{row['macs'] / row['seconds'][side] / most / 1e9:.0%}" if known else "")
        body.append([row["name"], str(row["threads"]), f"{row['macs'] / 1e9:.2f} G", *cells])
    return table(["", "threads", "multiply-adds", *(TITLES[side] for side in sides)], body)


def bandwidth_table(rows: list[dict], peaks: dict) -> str:
    sides = [side for side in ("dsf", "dsf-bf16") if any(side in row["seconds"] for row in rows)]
    body = []
    for row in rows:
        peak = peaks.get(row["threads"])
        if peak and "batch" not in row["name"]:
            rates = [row["packed"] / row["seconds"][side] / 1e9 for side in sides]
            body.append(
                [
                    row["name"],
                    str(row["threads"]),
                    f"{row['packed'] / 1e6:.1f} MB",
                    *(f"{rate:.1f} GB/s, {rate / peak['read_gbyte']:.0%}" for rate in rates),
                ]
            )
    return table(["", "threads", "packed", *(TITLES[side] for side in sides)], body)


def batch_table(rows: list[dict]) -> str:
    return table(
        ["", "threads", "batch 1", "an image of batch 16", "ratio", "memory, batch 1", "batch 16"],
        [
            [
                row["name"],
                str(row["threads"]),
                f"{row['one'] * 1e3:.2f} ms",
                f"{row['many'] * 1e3:.2f} ms",
                f"{row['many'] / row['one']:.2f}",
                *(f"{row[peak] / 1e6:.0f} MB" if peak in row else "" for peak in ("one_peak", "many_peak")),
            ]
            for row in rows
        ],
    )


def memory_table(rows: list[dict]) -> str:
    rows = [row for row in rows if row["threads"] == 1]
    sides = sides_of(rows)
    body = [
        [
            row["name"],
            *(
                f"{row['peak'][side] / 1e6:.0f} MB, {row['peak'][side] / row['peak']['onnxruntime']:.2f}"
                if side in row["peak"]
                else ""
                for side in sides
            ),
        ]
        for row in rows
    ]
    return table(["MB, and of ONNX Runtime's", *(TITLES[side] for side in sides)], body)


def load_table(rows: list[dict]) -> str:
    rows = [row for row in rows if row["threads"] == 1]
    sides = sides_of(rows)
    body = [
        [row["name"], *(f"{row['load'][side] * 1e3:.0f} ms" if side in row["load"] else "" for side in sides)]
        for row in rows
    ]
    return table(["", *(TITLES[side] for side in sides)], body)


# ---- the chart: a group of bars for each model, as many times as fast as ONNX Runtime on one thread

BARS = ("dsf", "dsf-bf16", "openvino", "openvino-bf16")
COLOURS = {"dsf": "#1f6fb4", "dsf-bf16": "#7db8e8", "openvino": "#c26a1b", "openvino-bf16": "#eab37c"}
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 1100, 460, 60, 60, 60


def draw(rows: list[dict]):
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    sides = [side for side in BARS if any(side in row["seconds"] for row in rows)]
    ratios = [
        [row["seconds"]["onnxruntime"] / row["seconds"][side] for side in sides if side in row["seconds"]]
        for row in rows
    ]
    most = max(max(group) for group in ratios) * 1.1
    floor, room = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP
    pen.text((LEFT, 10), "Batch 1, 1 thread: times as fast as ONNX Runtime float32 (the line)", "black", font)
    for place, side in enumerate(sides):
        x = LEFT + place * 190
        pen.rectangle((x, 36, x + 14, 50), COLOURS[side])
        pen.text((x + 20, 34), f"{'libdsf ' if side.startswith('dsf') else ''}{TITLES[side]}", "black", font)
    step = (WIDTH - LEFT - 20) / len(rows)
    for index, (row, group) in enumerate(zip(rows, ratios, strict=True)):
        bar = step * 0.8 / len(sides)
        for place, (side, ratio) in enumerate(zip(sides, group, strict=False)):
            x, height = LEFT + index * step + place * bar, ratio / most * room
            pen.rectangle((x, floor - height, x + bar - 3, floor), COLOURS[side])
            pen.text((x, floor - height - 18), f"{ratio:.2f}", "black", font)
        pen.text((LEFT + index * step, floor + 10), row["name"], "black", font)
    line = floor - room / most
    pen.line((LEFT - 10, line, WIDTH - 10, line), "black")
    pen.text((20, line - 10), "1.0", "black", font)
    return image
