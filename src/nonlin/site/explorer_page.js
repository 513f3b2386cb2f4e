// The page itself: controls, drawings, words.

const $ = (id) => document.getElementById(id);
const SLOTS = 4, FIRST = ["relu", "gelu"];
const DERIVATIVES = [["f", "f(x)"], ["slope", "f′(x)"], ["bend", "f″(x)"]];
let state;

// Words and numbers

function said(number, digits = 4) {
  if (Number.isNaN(number)) return "not a number";
  if (!Number.isFinite(number)) return number > 0 ? "∞" : "−∞";
  const text = String(Number(number.toPrecision(digits)) + 0);
  return text.replace(/e\+?/, " e").replaceAll("-", "−");
}

const percent = (share) => `${said(100 * share, 3)} %`;
const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

function titleOf(curve) {
  const changed = curve.record.parameters.map((each, i) => `${each.symbol} = ${said(curve.values[i])}`);
  return curve.record.title + (changed.length ? ` (${changed.join(", ")})` : "");
}

function table(element, head, rows, caption = "") {
  const cells = (row) => row.map((cell, i) => (i ? `<td class="number">${cell}</td>` : `<th scope="row">${cell}</th>`)).join("");
  element.innerHTML = (caption ? `<caption>${caption}</caption>` : "")
    + `<thead><tr>${head.map((cell) => `<th scope="col">${cell}</th>`).join("")}</tr></thead>`
    + `<tbody>${rows.map((row) => `<tr>${cells(row)}</tr>`).join("")}</tbody>`;
}

// State

function curves() {
  return state.slots.map(({ name, values }, index) => name && { ...curveOf(name, values), index }).filter(Boolean);
}

let frameWaits, restWaits;
function changed() {  // curves at once, and what costs more a little later, while a slider moves
  remember();
  frameWaits ??= requestAnimationFrame(() => { frameWaits = undefined; drawCurves(curves()); });
  restWaits ??= setTimeout(() => { restWaits = undefined; drawRest(curves()); }, 120);
}

let remembering;
function remember() {  // a moment later: browsers refuse an address that changes a hundred times a second
  clearTimeout(remembering);
  remembering = setTimeout(() => history.replaceState(null, "", "#" + written(state)), 250);
}

function load(hash) {
  clearTimeout(remembering);
  const { state: read, complaints } = readState(hash);
  state = read;
  if (!hash.replace("#", "")) state.slots = FIRST.map((name) => ({ name, values: defaultsOf(name) }));
  while (state.slots.length < SLOTS) state.slots.push({ name: "", values: {} });
  $("complaints").innerHTML = complaints.map((text) => `<p>${escaped(text)}</p>`).join("");
  for (let index = 0; index < SLOTS; index++) drawSlot(index);
  fill();
  draw();
}

function fill() {
  for (const id of ["from", "to", "at", "mean", "sd"]) if (document.activeElement !== $(id)) $(id).value = Number(state[id].toPrecision(8));
  const cursor = $("at-slider");
  Object.assign(cursor, { min: state.from, max: state.to, step: stepOf(state) });
  cursor.value = state.at;
  cursor.setAttribute("aria-valuetext", `x = ${said(state.at)}`);
  for (const id of ["mean", "sd"]) {
    $(`${id}-slider`).value = state[id];
    $(`${id}-slider`).setAttribute("aria-valuetext", said(state[id]));
  }
}

function stepOf({ from, to }) {  // a power of ten, about a thousandth of the range: 0 is reached exactly
  return 10 ** Math.round(Math.log10((to - from) / 1000));
}

// Controls

function build() {
  const families = [...new Set(Object.values(RECORDS).map((record) => record.family))];
  const options = families.map((family) => {
    const members = Object.entries(RECORDS).filter(([, record]) => record.family === family);
    return `<optgroup label="${family}">${members.map(([name, { title }]) => `<option value="${name}">${title}</option>`).join("")}</optgroup>`;
  });
  for (let index = 0; index < SLOTS; index++) {
    const fieldset = document.createElement("fieldset");
    fieldset.innerHTML = `<legend>${sample(index)} Function ${index + 1}</legend>
      <select id="f${index}" aria-label="Function ${index + 1}"><option value="">none</option>${options.join("")}</select>
      <div id="p${index}"></div><p class="error" id="e${index}" role="status"></p>`;
    $("slots").append(fieldset);
    $(`f${index}`).addEventListener("change", (event) => {
      const name = event.target.value;
      state.slots[index] = { name, values: name ? defaultsOf(name) : {} };
      drawSlot(index);
      changed();
    });
  }
  listen();
}

function drawSlot(index) {
  const { name, values } = state.slots[index];
  $(`f${index}`).value = name;
  $(`e${index}`).textContent = "";
  $(`p${index}`).innerHTML = "";
  if (!name) return;
  for (const parameter of RECORDS[name].parameters) $(`p${index}`).append(parameterRow(index, parameter, values));
  const advice = document.createElement("details"), { use, caveat } = RECORDS[name];
  advice.innerHTML = `<summary>When to use it, and when not</summary><p>${escaped(use)}</p><p>${escaped(caveat)}</p>`;
  $(`p${index}`).append(advice);
}

function parameterRow(index, parameter, values) {
  const row = document.createElement("div"), id = `p${index}-${parameter.name}`;
  const label = parameter.symbol === parameter.name ? parameter.name : `${parameter.symbol} (${parameter.name})`;
  const [low, high] = parameter.slider;
  row.className = "parameter";
  row.innerHTML = `<label for="${id}">${label}</label><span class="field">
    <input type="range" id="${id}-slider" aria-label="${label}" min="${low}" max="${high}" step="${high - low > 10 ? 0.1 : 0.01}">
    <input type="number" id="${id}" step="any" aria-describedby="${id}-m e${index}"></span>
    <span class="meaning" id="${id}-m">${escaped(parameter.meaning)}; in ${parameter.domain}</span>`;
  const slider = row.querySelector("[type=range]"), box = row.querySelector("[type=number]");
  const show = (value, source) => {
    if (source !== slider) slider.value = value;
    if (source !== box) box.value = Number(value.toPrecision(8));
    slider.setAttribute("aria-valuetext", said(value));
  };
  const take = (source) => {
    const value = source.value === "" ? NaN : Number(source.value), slot = state.slots[index];
    const why = refusal(RECORDS[slot.name], parameter.name, { ...slot.values, [parameter.name]: value });
    box.setAttribute("aria-invalid", String(Boolean(why) && source === box));
    $(`e${index}`).textContent = why && `${why} It stays at ${said(slot.values[parameter.name])}.`;
    if (why) { if (source === slider) slider.value = slot.values[parameter.name]; return; }
    slot.values[parameter.name] = value;
    show(value, source);
    changed();
  };
  show(values[parameter.name]);
  slider.addEventListener("input", () => take(slider));
  box.addEventListener("input", () => take(box));
  return row;
}

function listen() {
  const number = (id, error) => {
    for (const element of [$(id), $(`${id}-slider`)].filter(Boolean)) {
      element.addEventListener("input", () => {
        const value = element.value === "" ? NaN : Number(element.value), why = complaint(id, value, state);
        $(id).setAttribute("aria-invalid", String(Boolean(why)));
        $(error).textContent = why;
        if (why) return;
        state[id] = value;
        if (id === "from" || id === "to") state.at = Math.min(state.to, Math.max(state.from, state.at));
        fill();
        changed();
      });
      element.addEventListener("change", fill);
    }
  };
  for (const id of ["from", "to", "at"]) number(id, "range-error");
  for (const id of ["mean", "sd"]) number(id, "dist-error");
  $("skip").addEventListener("click", (event) => { event.preventDefault(); $("curves").focus(); });
  $("share").addEventListener("click", share);
  $("reset").addEventListener("click", () => { history.replaceState(null, "", "#"); load(""); });
  addEventListener("hashchange", () => { if (location.hash.includes("=")) load(location.hash); });
  let width = Math.round($("plots").clientWidth);
  new ResizeObserver(([{ contentRect }]) => {
    if (Math.round(contentRect.width) === width) return;  // the height is our own doing
    width = Math.round(contentRect.width);
    draw();
  }).observe($("plots"));
}

async function share() {
  clearTimeout(remembering);
  history.replaceState(null, "", "#" + written(state));
  try {
    await navigator.clipboard.writeText(location.href);
    $("shared").textContent = "The link is in the clipboard.";
  } catch {
    $("shared").textContent = "The link is this page's address: copy it from there.";
  }
}

// Drawing

const STYLE_ORDER = ["s0", "s1", "s2", "s3", "s4"];
const sample = (index) => `<svg class="sample" width="44" height="10" aria-hidden="true"><line x1="2" y1="5" x2="42" y2="5" class="curve ${STYLE_ORDER[index]}"/></svg>`;

function ticks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((each) => each * power >= raw);
  const result = [];
  for (let i = Math.ceil(low / step); i * step <= high * (1 + 1e-12) && result.length < 50; i++) result.push(Number((i * step).toPrecision(12)));
  return result;
}

// A frame with axes; what is inside is drawn in units of the data.
function frame({ width: given, height, x, y, xLabel, yLabel, words, inside, right = 10 }) {
  const left = 58, top = 22, bottom = 40, width = Math.max(given, 160);  // while nothing is shown, it is given 0
  const px = (value) => left + (value - x[0]) / (x[1] - x[0]) * (width - left - right);
  const py = (value) => Math.max(-1e4, Math.min(1e4, top + (y[1] - value) / (y[1] - y[0]) * (height - top - bottom)));
  const xs = ticks(...x, width / 65), ys = ticks(...y, height / 50), id = `clip${frame.count = (frame.count ?? 0) + 1}`;
  const grid = xs.map((v) => `<path class="grid" d="M${px(v)},${top}V${height - bottom}"/><text x="${px(v)}" y="${height - bottom + 16}" text-anchor="middle">${said(v)}</text>`)
    .concat(ys.map((v) => `<path class="grid" d="M${left},${py(v)}H${width - right}"/><text x="${left - 6}" y="${py(v) + 4}" text-anchor="end">${said(v)}</text>`));
  return `<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(words)}" data-left="${left}" data-right="${right}">
    ${grid.join("")}<clipPath id="${id}"><rect x="${left}" y="${top}" width="${width - left - right}" height="${height - top - bottom}"/></clipPath>
    <path class="axis" d="M${left},${top}V${height - bottom}H${width - right}"/><g clip-path="url(#${id})">${inside(px, py)}</g>
    <text x="${left}" y="14">${yLabel}</text><text x="${width - right}" y="${height - 6}" text-anchor="end">${xLabel}</text></svg>`;
}

// The x of a curve's points: many, and both sides of each corner, at which the line may break.
function pointsOf(curve, count) {
  const inside = curve.places.filter((at) => at > state.from && at < state.to);
  const ends = [state.from, ...inside, state.to];
  return ends.slice(1).map((high, i) => {
    const low = ends[i], n = Math.max(2, Math.ceil(count * (high - low) / (state.to - state.from)));
    const inset = NEAR * Math.max(1, Math.abs(low), Math.abs(high));
    return Array.from({ length: n + 1 }, (_, k) => (k === 0 ? low + inset : k === n ? high - inset : low + (high - low) * k / n));
  });
}

function rangeOf(list, kind) {
  const values = list.flatMap((curve) => curve.points.flat().map(curve[kind])).filter((y) => Number.isFinite(y) && Math.abs(y) < 1e12);
  if (kind !== "f") values.push(0);
  const low = Math.min(0, ...values), high = Math.max(0, ...values);
  if (high - low < 1e-12) return [-1, 1];
  const deltas = kind === "f" ? 0 : 0.12;
  return [low - (0.06 + deltas) * (high - low), high + (0.06 + deltas) * (high - low)];
}

function drawPlots(list) {
  const width = $("plots").clientWidth, height = width < 500 ? 210 : 250;
  const n = Math.max(400, width);
  for (const curve of list) curve.points = pointsOf(curve, n);
  $("plots").innerHTML = DERIVATIVES.map(([kind, label]) => {
    const y = rangeOf(list, kind);
    const inside = (px, py) => list.map((curve) => lineOf(curve, kind, px, py)).join("")
      + list.map((curve) => marksOf(curve, kind, px, py, y)).join("") + `<path class="at" data-kind="${kind}"/>`;
    const words = list.map((curve) => inWords(curve, kind, label)).join(" ") || "No function is chosen.";
    const svg = frame({ width, height, x: [state.from, state.to], y, xLabel: "x (no unit)", yLabel: label, words, inside });
    const legend = list.map((curve) => `<li>${sample(curve.index)} ${escaped(titleOf(curve))}</li>`).join("");
    return `<figure data-kind="${kind}" data-low="${y[0]}" data-high="${y[1]}">${svg}<ul class="legend">${legend}</ul></figure>`;
  }).join("");
  for (const svg of $("plots").querySelectorAll("figure > svg")) {
    svg.addEventListener("pointermove", point);
    svg.addEventListener("pointerdown", point);
  }
}

function lineOf(curve, kind, px, py) {
  const path = curve.points.map((piece) => {
    let pen = "M";
    return piece.map((x) => {
      const y = curve[kind](x);
      if (!Number.isFinite(y)) { pen = "M"; return ""; }
      const step = `${pen}${px(x).toFixed(1)},${py(y).toFixed(1)}`;
      pen = "L";
      return step;
    }).join("");
  }).join("");
  return `<path class="curve s${curve.index}" d="${path}"/>`;
}

// A dot where torch's value stands at a kink, an arrow for a Dirac δ, in f' where f jumps and in f'' where f' does.
function marksOf(curve, kind, px, py, range) {
  const marks = curve.kinks.filter(({ at }) => at >= state.from && at <= state.to).map((kink) => {
    const x = px(kink.at), weight = kind === "slope" ? kink.value : kind === "bend" ? kink.slope : 0;
    const dot = kind === "bend" ? (kink.value ? `<text x="${x + 6}" y="${py(range[0]) - 6}">δ′: ${said(kink.value, 3)}</text>` : "") : `<circle class="f${curve.index}" cx="${x}" cy="${py(curve[kind](kink.at))}" r="4"/>`;
    if (!weight) return dot;
    const end = weight > 0 ? range[1] - 0.1 * (range[1] - range[0]) : range[0] + 0.1 * (range[1] - range[0]);
    const [tip, base, up] = [py(end), py(0), weight > 0 ? 1 : -1];
    const place = Math.min(Math.max(x + 6 + 3 * curve.index, 60), px(state.to) - 70);
    return `${dot}<path class="curve s${curve.index}" d="M${x},${base}V${tip}"/><path class="f${curve.index}" d="M${x - 5},${tip + 8 * up}h10l-5,${-9 * up}z"/>
      <text x="${place}" y="${tip + (up > 0 ? 4 + 14 * curve.index : 4 - 14 * curve.index)}">δ: ${said(weight, 3)}</text>`;
  });
  return marks.join("");
}

function kinksInWords(curve) {
  return curve.kinks.map((kink) => {
    const jump = kink.value ? `f jumps by ${said(kink.value)}, and ` : "";
    return `at x = ${said(kink.at)} ${jump}the slope goes from ${said(kink.left)} to ${said(kink.right)} (PyTorch returns ${said(kink.torch)})`;
  });
}

function inWords(curve, kind, label) {
  const flat = curve.points.flat(), values = flat.map(curve[kind]);
  let low = 0, high = 0;
  values.forEach((y, i) => { if (y < values[low]) low = i; if (y > values[high]) high = i; });
  const middle = state.from < 0 && state.to > 0 ? `, ${said(curve[kind](0))} at 0` : "";
  const words = `${titleOf(curve)}: ${label} is ${said(values[0])} at x = ${said(state.from)}${middle} and ${said(values.at(-1))} at x = ${said(state.to)}; `
    + `lowest ${said(values[low])} near x = ${said(flat[low], 3)}, highest ${said(values[high])} near x = ${said(flat[high], 3)}.`;
  const kinks = kinksInWords(curve);
  return kinks.length ? `${words} Kinks: ${kinks.join("; ")}.` : words;
}

function point(event) {
  const svg = event.currentTarget, box = svg.getBoundingClientRect(), left = Number(svg.dataset.left);
  const share = (event.clientX - box.left - left) / (box.width - left - Number(svg.dataset.right));
  if (share < 0 || share > 1) return;
  const step = stepOf(state), x = state.from + share * (state.to - state.from);
  state.at = Math.min(state.to, Math.max(state.from, Number((Math.round(x / step) * step).toPrecision(10))));
  fill();
  drawCursor(curves());
  remember();
}

const deltas = ({ slope, value }) => [slope && `δ of weight ${said(slope)}`, value && `δ′ of weight ${said(value)}`].filter(Boolean).join(" and ");

function bendAt(curve, x) {
  const kink = curve.kinks.find(({ at }) => at === x);
  return kink ? deltas(kink) : said(curve.bend(x));
}

let speaking;
function drawCursor(list) {
  for (const figure of $("plots").querySelectorAll("figure")) {
    const svg = figure.querySelector("svg"), line = svg.querySelector(".at"), left = Number(svg.dataset.left);
    const x = left + (state.at - state.from) / (state.to - state.from) * (svg.width.baseVal.value - left - Number(svg.dataset.right));
    line.setAttribute("d", `M${x},0V${svg.height.baseVal.value}`);
  }
  const rows = list.map((curve) => {
    const kink = curve.kinks.find(({ at }) => Math.abs(at - state.at) < stepOf(state) / 2);
    const note = kink ? kinksInWords({ kinks: [kink] })[0] : "";
    return [`${sample(curve.index)} ${escaped(titleOf(curve))}`, said(curve.f(state.at)), said(curve.slope(state.at)), bendAt(curve, state.at), note];
  });
  table($("readout"), ["function", "f(x)", "f′(x)", "f″(x)", "kink"], rows, `Values at x = ${said(state.at)}`);
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    $("live").textContent = `x = ${said(state.at)}. ` + list.map((curve, i) => `${titleOf(curve)}: f = ${rows[i][1]}, slope ${rows[i][2]}, second derivative ${rows[i][3]}.`).join(" ");
  }, 400);
}

function drawCurveTable(list) {
  const step = ticks(state.from, state.to, 10);
  $("curve-table").innerHTML = "";
  for (const curve of list) {
    const box = document.createElement("div"), element = document.createElement("table");
    Object.assign(box, { className: "scroll", tabIndex: 0 });
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", `${titleOf(curve)} as a table`);
    table(element, ["x", "f(x)", "f′(x)", "f″(x)"], step.map((x) => [...[x, curve.f(x), curve.slope(x)].map((y) => said(y)), bendAt(curve, x)]), escaped(titleOf(curve)));
    box.append(element);
    $("curve-table").append(box);
  }
}

function between(low, high) {
  if (low === -Infinity && high === Infinity) return "everywhere";
  if (low === -Infinity) return `x ≤ ${said(high)}`;
  return high === Infinity ? `x ≥ ${said(low)}` : `${said(low)} to ${said(high)}`;
}

function factsRow(curve) {
  const [gain, back] = gains(curve), steep = steepStretch(curve);
  const standard = curve.values.every((value, i) => value === curve.record.parameters[i].value);
  const outside = ([low, high]) => [low > -Infinity && between(-Infinity, low), high < Infinity && between(high, Infinity)].filter(Boolean).join(" and ") || "nowhere";
  const dead = curve.flats.map(({ low, high }) => between(low, high)).join(" and ") || "nowhere";
  return [
    `${sample(curve.index)} ${escaped(titleOf(curve))}`, said(gain), said(back), dead, steep ? outside(steep) : "everywhere",
    standard ? outside(curve.record.float32.map((end) => Number(bound(end)))) : "known for the default parameters only",
    kinksInWords(curve).join("; ") || "none",
  ];
}

// Distributions

function drawDistributions(list) {
  const input = { low: state.mean - 4 * state.sd, high: state.mean + 4 * state.sd, masses: [], mean: state.mean, sd: state.sd, meanSquare: state.mean ** 2 + state.sd ** 2, dead: 0 };
  input.density = Array.from({ length: 90 }, (_, i) => density(8 * (i + 0.5) / 90 - 4) / state.sd);
  input.quantiles = [-1.6449, -0.6745, 0, 0.6745, 1.6449].map((z) => state.mean + z * state.sd);
  const all = [{ title: "Input", index: 4, ...input }, ...list.map((curve) => ({ title: titleOf(curve), index: curve.index, ...pushed(curve, state.mean, state.sd) }))];
  $("dists").innerHTML = all.map(() => "<figure></figure>").join("");
  all.forEach((each, i) => { $("dists").children[i].innerHTML = panel(each, $("dists").children[i].clientWidth); });
  const head = ["distribution", "mean", "standard deviation", "mean square", "share of single values", "slope 0", "5 %", "25 %", "median", "75 %", "95 %"];
  table($("dist-table"), head, all.map((each) => [
    each.index < 4 ? `${sample(each.index)} ${escaped(each.title)}` : each.title, said(each.mean), said(each.sd), said(each.meanSquare), massesInWords(each) || "none",
    each.index < 4 ? percent(each.dead) : "", ...each.quantiles.map((q) => said(q, 3)),
  ]), "Distributions in numbers; the last five columns are quantiles");
}

const massesInWords = ({ masses }) => masses.map(({ at, share }) => `${percent(share)} at ${said(at)}`).join(", ");

function panel(each, width) {
  const top = 1.08 * Math.max(...each.density, 1e-9), bin = (each.high - each.low) / each.density.length;
  const words = `${each.title}: mean ${said(each.mean)}, standard deviation ${said(each.sd)}; ${massesInWords(each) || "no single value has a share"}; half of all values lie between ${said(each.quantiles[1], 3)} and ${said(each.quantiles[3], 3)}.`;
  const inside = (px, py) => {
    const steps = each.density.map((value, i) => `L${px(each.low + i * bin).toFixed(1)},${py(value).toFixed(1)}H${px(each.low + (i + 1) * bin).toFixed(1)}`).join("");
    const path = `M${px(each.low)},${py(0)}${steps}L${px(each.high)},${py(0)}`;
    const stems = each.masses.map(({ at, share }) => `<path class="curve s${each.index}" d="M${px(at)},${py(0)}V${py(share * top)}"/><circle class="f${each.index}" cx="${px(at)}" cy="${py(share * top)}" r="5"/>
      <text x="${px(at) + (px(at) > width - 90 ? -8 : 8)}" y="${Math.max(34, py(share * top) + 4)}" text-anchor="${px(at) > width - 90 ? "end" : "start"}">${percent(share)} at ${said(at)}</text>`);
    return `<path class="area f${each.index}" d="${path}"/><path class="curve s${each.index}" d="${path}"/>${stems.join("")}`;
  };
  const svg = frame({ width, height: 220, x: [each.low, each.high], y: [0, top], xLabel: each.index < 4 ? "y = f(x)" : "x", yLabel: "density (share per unit)", words, inside });
  return `${svg}<figcaption><strong>${escaped(each.title)}.</strong> ${escaped(words.slice(each.title.length + 2))}</figcaption>`;
}

// Pictures

const standardised = (() => {
  const bytes = Uint8Array.from(atob(PICTURE.pixels), (c) => c.charCodeAt(0)), pixels = bytes.length / 3, result = new Float64Array(bytes.length);
  for (let channel = 0; channel < 3; channel++) {
    const values = Array.from({ length: pixels }, (_, i) => bytes[3 * i + channel]);
    const mean = values.reduce((a, b) => a + b) / pixels, sd = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / pixels);
    values.forEach((v, i) => { result[3 * i + channel] = (v - mean) / sd; });
  }
  return result;
})();

function paint(figure, title, index, f) {
  const values = Float64Array.from(standardised, f), canvas = document.createElement("canvas"), n = values.length;
  Object.assign(canvas, { width: PICTURE.width, height: PICTURE.height });
  const image = new ImageData(PICTURE.width, PICTURE.height);
  let low = Infinity, high = -Infinity, sum = 0, squares = 0, zeros = 0;
  values.forEach((y, i) => {
    image.data[4 * Math.floor(i / 3) + i % 3] = 255 * (y + 2) / 4;
    image.data[4 * Math.floor(i / 3) + 3] = 255;
    low = Math.min(low, y); high = Math.max(high, y); sum += y; squares += y * y; zeros += y === 0;
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  const mean = sum / n, sd = Math.sqrt(Math.max(0, squares / n - mean * mean));
  const words = `Values from ${said(low, 3)} to ${said(high, 3)}, mean ${said(Number(mean.toFixed(4)), 3)}, standard deviation ${said(sd, 3)}, ${percent(zeros / n)} exactly 0.`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${title}: ten small pictures of shapes. ${words}`);
  figure.innerHTML = `<figcaption><strong>${index < 4 ? `${sample(index)} ` : ""}${escaped(title)}.</strong> ${words}</figcaption>`;
  figure.prepend(canvas);
}

function drawPictures(list) {
  const all = [["Before", 4, (x) => x], ...list.map((curve) => [titleOf(curve), curve.index, curve.f])];
  $("pictures").replaceChildren(...all.map((each) => {
    const figure = document.createElement("figure");
    paint(figure, ...each);
    return figure;
  }));
}

function drawCurves(list) {
  drawPlots(list);
  drawCursor(list);
  drawCurveTable(list);
}

function drawRest(list) {
  table($("facts"), ["function", "gain", "gain of gradients", "slope exactly 0", "nearly flat", "slope 0 in PyTorch’s float32", "kinks"], list.map(factsRow));
  drawDistributions(list);
  drawPictures(list);
}

function draw() {
  const list = curves();
  drawCurves(list);
  drawRest(list);
}

build();
load(location.hash);
