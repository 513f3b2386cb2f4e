// What the page computes, without drawing anything.

const NEAR = 1e-9;           // how far beside a corner its two sides are looked at
const SMALLEST_JUMP = 1e-6;  // a smaller one, such as that of softplus at its threshold, cannot be seen
const FLAT = 1e-3;           // a slope below this counts as nearly flat
const GAUSS = [[-Math.sqrt(0.6), 5 / 18], [0, 8 / 18], [Math.sqrt(0.6), 5 / 18]];

// Why a value of a parameter is refused, in one sentence, or "".
function refusal(record, name, values) {
  const parameter = record.parameters.find((each) => each.name === name);
  const value = values[name], low = Number(bound(parameter.low)), high = Number(bound(parameter.high));
  const inside = (parameter.open[0] ? value > low : value >= low) && (parameter.open[1] ? value < high : value <= high);
  if (!Number.isFinite(value)) return `${record.title} needs a finite number for ${name}.`;
  if (!inside) return `${record.title} takes ${name} in ${parameter.domain}, not ${value}.`.replaceAll("-", "−");
  const ordered = record.parameters.map((each) => values[each.name]);
  const broken = record.conditions.find(([, holds]) => !holds(...ordered));
  return broken ? `${record.title} needs ${broken[0]}.` : "";
}

function bound(end) {
  return typeof end === "string" ? end.replace("inf", "Infinity") : end;
}

// One function with numbers for its parameters: f, its derivatives, where they jump, and where f is constant.
function curveOf(name, given = {}) {
  const record = RECORDS[name];
  const values = record.parameters.map((each) => given[each.name] ?? each.value);
  const [f, slope, bend] = record.f.map((each) => (x) => each(x, ...values) + 0);
  const curve = { name, record, values, f, slope, bend };
  const places = [...new Set(record.corners(...values).map((at) => at + 0))].filter(Number.isFinite);
  curve.places = places.sort((a, b) => a - b);
  curve.kinks = curve.places.map((at) => jumpAt(curve, at)).filter((kink) => kink.value || kink.slope);
  curve.flats = flatsOf(curve);
  return curve;
}

// By how much f and f' jump at a place, and the slope that torch returns there.
function jumpAt({ f, slope, bend }, at) {
  const h = NEAR * Math.max(1, Math.abs(at));
  const seen = (jump) => (Math.abs(jump) > SMALLEST_JUMP ? jump : 0);
  const value = f(at + h) - f(at - h) - h * (slope(at + h) + slope(at - h));
  return {
    at, value: seen(value), slope: seen(slope(at + h) - slope(at - h) - h * (bend(at + h) + bend(at - h))),
    left: slope(at - h), right: slope(at + h), torch: slope(at),
  };
}

function piecesOf(places) {
  return [-Infinity, ...places].map((low, index) => [low, places[index] ?? Infinity]);
}

function flatsOf({ f, slope, places }) {
  const flats = [];
  for (const [low, high] of piecesOf(places)) {
    const steps = [1e-6, 1e-3, 0.37, 1, 2.7];
    const inside = Number.isFinite(low) && Number.isFinite(high) ? [1e-6, 0.1, 0.37, 0.5, 0.9].map((t) => low + t * (high - low))
      : Number.isFinite(low) ? steps.map((t) => low + t) : Number.isFinite(high) ? steps.map((t) => high - t)
      : [...steps, ...steps.map((t) => -t)];
    if (!inside.every((x) => slope(x) === 0)) continue;
    const last = flats[flats.length - 1], value = f(inside[3]);
    if (last && last.high === low && last.value === value) last.high = high;
    else flats.push({ low, high, value });
  }
  return flats;
}

// The interval outside which |f'| stays below FLAT as far as 100; an end is infinite where it does not.
function steepStretch({ slope, places }) {
  const steep = (x) => Math.abs(slope(x)) >= FLAT;
  const find = (from, to) => {
    if (steep(from)) return from < to ? -Infinity : Infinity;
    const steps = 8000, step = (to - from) / steps;
    let index = 1;
    while (index <= steps && !steep(from + index * step)) index++;
    let [flat, other] = [from + (index - 1) * step, from + index * step];
    for (let i = 0; i < 50; i++) [flat, other] = steep((flat + other) / 2) ? [flat, (flat + other) / 2] : [(flat + other) / 2, other];
    return places.find((at) => Math.abs(at - other) < 1e-9) ?? other;
  };
  const low = find(-100, 100), high = find(100, -100);
  return low > high ? null : [low, high];
}

// Cells of N(mean, sd), so wide as is said in deviations, none with a corner inside.
function cellsOf(places, mean, sd, reach, count) {
  const edges = Array.from({ length: count + 1 }, (_, i) => mean + sd * reach * (2 * i / count - 1));
  edges.push(...places.filter((at) => at > edges[0] && at < edges[count]));
  edges.sort((a, b) => a - b);
  return edges.slice(1).map((high, i) => [edges[i], high]).filter(([low, high]) => high > low);
}

function expectation(g, places, mean = 0, sd = 1) {
  let sum = 0;
  for (const [low, high] of cellsOf(places, mean, sd, 12, 2400)) {
    for (const [node, weight] of GAUSS) {
      const x = (low + high) / 2 + node * (high - low) / 2;
      sum += weight * g(x) * density((x - mean) / sd) * (high - low) / sd;
    }
  }
  return sum;
}

// 1 / sqrt(E[f^2]) and 1 / sqrt(E[f'^2]) under N(0, 1), as in nonlin.activations.facts.
function gains({ f, slope, places }) {
  return [f, slope].map((g) => 1 / Math.sqrt(expectation((x) => g(x) ** 2, places)));
}

function shareBetween(low, high) {  // of N(0, 1), without cancellation on the right
  return low > 0 ? Phi(-low) - Phi(-high) : Phi(high) - Phi(low);
}

// What comes of N(mean, sd): points with mass of their own, the density of the rest, and numbers.
function pushed(curve, mean, sd, bins = 90) {
  const standard = (x) => (x - mean) / sd;
  const masses = [];
  for (const { low, high, value } of curve.flats) {
    const share = shareBetween(standard(low), standard(high));
    const same = masses.find((mass) => mass.at === value);
    if (same) same.share += share; else masses.push({ at: value, share });
  }
  const parts = [];
  for (const [low, high] of cellsOf(curve.places, mean, sd, 8, 2000)) {
    const middle = (low + high) / 2, inset = 1e-9 * (high - low);
    if (curve.flats.some((flat) => flat.low < middle && middle < flat.high)) continue;
    const ends = [curve.f(low + inset), curve.f(high - inset)];
    const part = { low: Math.min(...ends), high: Math.max(...ends), share: shareBetween(standard(low), standard(high)) };
    if (Number.isFinite(part.low) && Number.isFinite(part.high)) parts.push(part);
  }
  const moment = (g) => expectation((x) => g(curve.f(x)), curve.places, mean, sd);
  const average = moment((y) => y), variance = moment((y) => (y - average) ** 2);
  const quantile = quantilesOf(parts, masses);
  const shown = stretch([quantile(0.001), quantile(0.999), ...masses.filter((mass) => mass.share > 1e-3).map((mass) => mass.at)]);
  const [low, high] = aligned(shown, Math.min(...parts.map((part) => part.low)), bins);
  return {
    masses: masses.filter((mass) => mass.share > 5e-5), low, high, density: spread(parts, low, high, bins),
    mean: average, sd: Math.sqrt(variance), meanSquare: moment((y) => y * y),
    quantiles: [0.05, 0.25, 0.5, 0.75, 0.95].map(quantile),
    dead: masses.reduce((sum, mass) => sum + mass.share, 0),
  };
}

function stretch(numbers) {
  const finite = numbers.filter(Number.isFinite);
  if (!finite.length) return [-1, 1];
  const low = Math.min(...finite), high = Math.max(...finite), room = 0.06 * (high - low) || Math.max(1, Math.abs(high));
  return [low - room, high + room];
}

// Shifted by less than a bin, so that a bin begins where the density does, and none is half empty.
function aligned([low, high], start, bins) {
  const width = (high - low) / bins, shift = start > low && start < high ? (start - low) % width : 0;
  return [low + shift - width, high + shift - width];
}

function quantilesOf(parts, masses) {
  const inside = ({ low, high, share }) => [1, 3, 5, 7].map((n) => ({ at: low + (high - low) * n / 8, share: share / 4 }));
  const steps = [...parts.flatMap(inside), ...masses.map((mass) => ({ ...mass, mass: true }))].sort((a, b) => a.at - b.at);
  const total = steps.reduce((sum, step) => sum + step.share, 0);
  return (share) => {
    let sum = 0;
    const found = steps.findIndex((step) => (sum += step.share) >= share * total);
    if (found < 0) return steps.at(-1)?.at ?? NaN;
    const step = steps[found], along = 0.5 - (sum - share * total) / step.share, next = steps[found + Math.sign(along)];
    return step.mass || !next || next.mass ? step.at : step.at + Math.abs(along) * (next.at - step.at);
  };
}

// The density in equal bins: the share of each part lies evenly between its ends.
function spread(parts, low, high, bins) {
  const width = (high - low) / bins, result = new Array(bins).fill(0);
  for (const part of parts) {
    const size = Math.max(part.high - part.low, 1e-9 * width);
    const first = Math.max(0, Math.floor((part.low - low) / width)), last = Math.min(bins - 1, Math.floor((part.low + size - low) / width));
    for (let bin = first; bin <= last; bin++) {
      const overlap = Math.min(part.low + size, low + (bin + 1) * width) - Math.max(part.low, low + bin * width);
      result[bin] += part.share * Math.max(0, overlap) / size / width;
    }
  }
  return result;
}

// The state of the page as the part of an address behind "#", such as "f=relu&f=elu,alpha:0.5&from=-3&to=3", and back.
// All parts may be missing; what cannot be read is told and left out.
function written(state) {
  const parts = state.slots.filter(({ name }) => name).map(({ name, values }) => {
    const changed = RECORDS[name].parameters.filter((each) => values[each.name] !== each.value);
    return "f=" + [name, ...changed.map((each) => `${each.name}:${values[each.name]}`)].join(",");
  });
  const numbers = ["from", "to", "at", "mean", "sd"].map((key) => `${key}=${state[key]}`);
  return [...parts, ...numbers].join("&");
}

const START = { from: -5, to: 5, at: 1, mean: 0, sd: 1 };
const LARGEST = 1e6;

// Why a number of the state is refused, in one sentence, or "".
function complaint(key, value, state) {
  if (!Number.isFinite(value) || Math.abs(value) > LARGEST) return "This takes a number between −1,000,000 and 1,000,000.";
  if (key === "from" && !(value < state.to)) return "The range of x begins below its end.";
  if (key === "to" && !(value > state.from)) return "The range of x ends above its beginning.";
  if (key === "at" && !(value >= state.from && value <= state.to)) return "The cursor stays in the range of x.";
  if (key === "sd" && !(value >= 1 / LARGEST)) return "The standard deviation is at least 0.000001.";
  return "";
}

function readState(hash) {
  const state = { slots: [], ...START }, complaints = [], numbers = {};
  for (const part of hash.replace(/^#/, "").split("&").filter(Boolean)) {
    let [key, text = ""] = part.split("=");
    try { text = decodeURIComponent(text); } catch { text = ""; }
    if (key === "f" && state.slots.length < 4) readSlot(text, state, complaints);
    else if (Object.hasOwn(START, key) && text !== "") numbers[key] = Number(text);
    else complaints.push(`The link's “${part}” cannot be read and was left out.`);
  }
  Object.assign(state, numbers);
  for (const key of Object.keys(START)) {
    const why = complaint(key, state[key], state);
    if (why && key !== "at") complaints.push(`${why} The link's “${key}” was left out.`);
    if (why && key !== "at") for (const each of ["from", "to"].includes(key) ? ["from", "to"] : [key]) state[each] = START[each];
  }
  state.at = Math.min(state.to, Math.max(state.from, Number.isFinite(state.at) ? state.at : START.at));
  return { state, complaints };
}

function readSlot(text, state, complaints) {
  const [name, ...pairs] = text.split(",");
  if (!Object.hasOwn(RECORDS, name)) { complaints.push(`The link names an activation “${name}” that is not here.`); return; }
  const record = RECORDS[name], values = defaultsOf(name);
  const given = { ...values };
  for (const pair of pairs) {
    const [key, number] = pair.split(":");
    if (Object.hasOwn(given, key) && number) given[key] = Number(number);
    else complaints.push(`${record.title} has no parameter as in the link's “${pair}”.`);
  }
  const wrong = record.parameters.map((each) => refusal(record, each.name, given)).find(Boolean);
  if (wrong) complaints.push(`${wrong} The link's value was left out.`);
  state.slots.push({ name, values: wrong ? values : given });
}

function defaultsOf(name) {
  return Object.fromEntries(RECORDS[name].parameters.map((each) => [each.name, each.value]));
}
