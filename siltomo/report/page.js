"use strict";
const D = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const make = (tag, given = {}, ...inner) => {
  const one = document.createElement(tag);
  for (const [key, value] of Object.entries(given)) {
    if (key in one && key !== "list") one[key] = value; else one.setAttribute(key, value);
  }
  one.append(...inner);
  return one;
};
const short = (v) => v === null || v === undefined ? "–" : typeof v === "number" ? String(+v.toPrecision(4)) : String(v);
const mu = (unit) => unit.replaceAll("um", "µm").replaceAll("u_", "µ_");
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

// ---- theme -------------------------------------------------------------------------------------------------
const dark = matchMedia("(prefers-color-scheme: dark)");
const redraw = [];
function theme(name) {
  document.documentElement.dataset.theme = name;
  $("theme").textContent = name === "dark" ? "light" : "dark";
  for (const draw of redraw) draw();
}
$("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
dark.addEventListener("change", () => theme(dark.matches ? "dark" : "light"));
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// ---- tables ------------------------------------------------------------------------------------------------
function csv(table) {
  const field = (v) => v === null || v === undefined ? "" : /[",\n]/.test(String(v)) ? `"${String(v).replaceAll('"', '""')}"` : String(v);
  return [table.columns, ...table.rows].map((row) => row.map(field).join(",")).join("\n") + "\n";
}
function showTable(name, table) {
  const home = $(`table-${name}`);
  if (!home) return;
  let order = table.rows.map((_, n) => n), by = -1, up = true;
  const body = make("tbody"), count = make("span", { className: "mut" });
  const find = make("input", { type: "search", placeholder: "find", ariaLabel: `find in ${name}` });
  const heads = table.columns.map((column, c) => {
    const th = make("th", { scope: "col" }, make("button", { type: "button" }, mu(column)));
    th.firstChild.addEventListener("click", () => {
      up = by === c ? !up : true; by = c;
      const key = (n) => table.rows[n][c];
      order.sort((a, b) => {
        const [p, q] = [key(a), key(b)];
        if (p === null || q === null) return (p === null) - (q === null);
        return (typeof p === "number" && typeof q === "number" ? p - q : String(p).localeCompare(String(q), "en", { numeric: true })) * (up ? 1 : -1);
      });
      heads.forEach((h, n) => h.setAttribute("aria-sort", n === c ? (up ? "ascending" : "descending") : "none"));
      fill();
    });
    return th;
  });
  function fill() {
    const words = find.value.toLowerCase();
    const shown = order.filter((n) => !words || table.rows[n].some((v) => v !== null && String(v).toLowerCase().includes(words)));
    body.replaceChildren(...shown.slice(0, 400).map((n) => make("tr", {}, ...table.rows[n].map((v) =>
      make("td", { className: typeof v === "number" ? "n" : String(v).length > 36 ? "long" : "", title: typeof v === "number" ? String(v) : "" }, short(v))))));
    count.textContent = `${shown.length} of ${table.rows.length} rows` + (shown.length > 400 ? ", 400 shown; the CSV holds all" : "");
  }
  const save = make("button", { type: "button" }, "CSV");
  save.addEventListener("click", () => {
    const url = URL.createObjectURL(new Blob([csv(table)], { type: "text/csv" }));
    make("a", { href: url, download: `${D.file}-${name}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });
  find.addEventListener("input", fill);
  home.append(make("div", { className: "bar" }, find, save, count),
    make("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: `table of ${name}` },
      make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body)));
  fill();
}

// ---- slices ------------------------------------------------------------------------------------------------
async function picture(url) { const one = new Image(); one.src = url; await one.decode(); return one; }
function pixels(image, n, w, h) {
  const small = new OffscreenCanvas(w, h), pen = small.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, n * h, w, h, 0, 0, w, h);
  return pen.getImageData(0, 0, w, h);
}
const S = { scan: 0, axes: "xy", plane: 0, phases: new Set(["crack"]), low: 0, high: 255, cache: new Map() };
async function drawSlice() {
  const stack = D.stacks[S.scan], view = stack.views.find((v) => v.axes === S.axes);
  const key = `${S.scan}${S.axes}`;
  if (!S.cache.has(key)) S.cache.set(key, Promise.all([picture(view.grey), picture(view.marks)]));
  const [grey, marks] = await S.cache.get(key);
  if (stack !== D.stacks[S.scan] || view.axes !== S.axes) return;
  const n = Math.min(S.plane, view.n - 1), a = pixels(grey, n, view.w, view.h), b = pixels(marks, n, view.w, view.h);
  const span = Math.max(S.high - S.low, 1);
  const colours = stack.phases.map((p) => [1, 3, 5].map((i) => parseInt(p.colour.slice(i, i + 2), 16)));
  for (let i = 0; i < a.data.length; i += 4) {
    const g = Math.min(255, Math.max(0, (a.data[i] - S.low) * 255 / span));
    const p = b.data[i] - 1, on = p >= 0 && p < stack.phases.length && S.phases.has(stack.phases[p].name);
    for (let c = 0; c < 3; c++) a.data[i + c] = on ? 0.4 * g + 0.6 * colours[p][c] : g;
  }
  const small = new OffscreenCanvas(view.w, view.h);
  small.getContext("2d").putImageData(a, 0, 0);
  const canvas = $("slice-canvas"), tall = view.h * view.px[0], wide = view.w * view.px[1];
  canvas.width = 900; canvas.height = Math.round(900 * tall / wide);
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.save();
  if (view.axes !== "xy" && !stack.flip) { pen.translate(0, canvas.height); pen.scale(1, -1); }
  pen.drawImage(small, 0, 0, canvas.width, canvas.height);
  pen.restore();
  const steps = [1, 2, 5], most = wide / 4, power = 10 ** Math.floor(Math.log10(most));
  const bar = Math.max(...steps.map((s) => s * power).filter((s) => s <= most * 1.000001)), long = bar / wide * 900;
  pen.fillStyle = "#fff"; pen.strokeStyle = "#000"; pen.lineWidth = 2;
  const y = canvas.height - 24;
  pen.strokeRect(880 - long, y, long, 9); pen.fillRect(880 - long, y, long, 9);
  pen.font = "26px system-ui, sans-serif"; pen.textAlign = "center"; pen.lineWidth = 5;
  pen.strokeText(`${+bar.toPrecision(3)} µm`, 880 - long / 2, y - 8); pen.fillText(`${+bar.toPrecision(3)} µm`, 880 - long / 2, y - 8);
  const at = `${view.axes === "xy" ? "z" : "y"} = ${view.pos[n].toFixed(1)} µm`;
  $("slice-at").textContent = `${at} (plane ${n + 1} of ${view.n}), pixel ${+view.px[1].toPrecision(3)} µm`;
  canvas.setAttribute("aria-label", `${stack.scan}, ${at}`);
  canvas.dataset.drawn = `${stack.scan} ${view.axes} ${n} ${[...S.phases].sort()} ${S.low}-${S.high}`;
}
function chooseStack() {
  const stack = D.stacks[S.scan], view = stack.views.find((v) => v.axes === S.axes);
  S.plane = Math.floor(view.n / 2);
  Object.assign($("slice-range"), { max: view.n - 1, value: S.plane });
  $("slice-phases").replaceChildren(...stack.phases.map((p) => {
    const box = make("input", { type: "checkbox", checked: S.phases.has(p.name) });
    box.addEventListener("change", () => { box.checked ? S.phases.add(p.name) : S.phases.delete(p.name); drawSlice(); });
    return make("label", { className: "on" }, box, make("span", { className: "swatch", style: `background:${p.colour}` }), p.name);
  }));
  $("slice-about").textContent = stack.segmentation ? `labels: ${stack.segmentation}` : "not segmented";
  drawSlice();
}
function slices() {
  const pick = $("slice-scan");
  pick.append(...D.stacks.map((s, n) => make("option", { value: n }, s.scan)));
  const wanted = D.stacks.findIndex((s) => D.meshes.length && s.scan === D.meshes[0].scan);
  S.scan = Math.max(wanted, 0); pick.value = S.scan;
  pick.addEventListener("change", () => { S.scan = +pick.value; chooseStack(); });
  for (const radio of document.querySelectorAll("input[name=axes]")) radio.addEventListener("change", () => { S.axes = radio.value; chooseStack(); });
  $("slice-range").addEventListener("input", (e) => { S.plane = +e.target.value; drawSlice(); });
  for (const end of ["low", "high"]) $(`slice-${end}`).addEventListener("input", (e) => { S[end] = +e.target.value; drawSlice(); });
  chooseStack();
}

// ---- surface -----------------------------------------------------------------------------------------------
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
const M = { n: 0, turn: 0.6, tilt: 0.5, zoom: 1, spin: !calm, frames: 0 };
const VERTEX = `#version 300 es
in vec3 at; uniform vec3 size; uniform mat3 turn; uniform vec2 fit; out vec3 place;
void main() { place = turn * ((at - 0.5) * size); gl_Position = vec4(place.x * fit.x, place.y * fit.y, -place.z * 0.4, 1.0); }`;
const PIXEL = `#version 300 es
precision highp float; in vec3 place; uniform vec3 colour; uniform float flat_; out vec4 shade;
void main() { vec3 n = normalize(cross(dFdx(place), dFdy(place)));
  float light = flat_ > 0.5 ? 1.0 : 0.45 + 0.5 * abs(n.z) + 0.25 * abs(dot(n, normalize(vec3(-0.5, 0.7, 0.4))));
  shade = vec4(colour * light, 1.0); }`;
function rotation() {
  const [c, s, e, f] = [Math.cos(M.turn), Math.sin(M.turn), Math.cos(M.tilt), Math.sin(M.tilt)];
  // data x, y, z (z up) to screen right, up, towards the eye
  return [[c, s, 0], [-s * f, c * f, e], [s * e, -c * e, f]];
}
const BOX = [0, 1, 1, 3, 3, 2, 2, 0, 4, 5, 5, 7, 7, 6, 6, 4, 0, 4, 1, 5, 2, 6, 3, 7];
function scaleOf(mesh) { const most = Math.hypot(...mesh.size); return [2, 1, 0].map((a) => mesh.size[a] * 1.9 / most); }
function webgl(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: true });
  if (!gl) return null;
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, PIXEL]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text); gl.compileShader(shader); gl.attachShader(program, shader);
  }
  gl.bindAttribLocation(program, 0, "at"); gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
  const where = (name) => gl.getUniformLocation(program, name), loaded = new Map();
  const load = (n) => {
    if (loaded.has(n)) return loaded.get(n);
    const mesh = D.meshes[n], one = { count: mesh.triangles * 3, type: mesh.wide ? gl.UNSIGNED_INT : gl.UNSIGNED_SHORT };
    for (const [name, kind, data] of [["points", gl.ARRAY_BUFFER, bytes(mesh.points)], ["faces", gl.ELEMENT_ARRAY_BUFFER, bytes(mesh.faces)],
      ["corners", gl.ARRAY_BUFFER, new Uint16Array([...Array(8).keys()].flatMap((k) => [k & 1, k >> 1 & 1, k >> 2].map((b) => b * 65535)))],
      ["edges", gl.ELEMENT_ARRAY_BUFFER, new Uint16Array(BOX)]]) {
      one[name] = gl.createBuffer(); gl.bindBuffer(kind, one[name]); gl.bufferData(kind, data, gl.STATIC_DRAW);
    }
    loaded.set(n, one);
    return one;
  };
  return () => {
    const mesh = D.meshes[M.n], one = load(M.n), back = ink("--soft"), r = rotation();
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(...[1, 3, 5].map((i) => parseInt(back.slice(i, i + 2), 16) / 255), 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT); gl.enable(gl.DEPTH_TEST); gl.useProgram(program);
    const least = Math.min(canvas.width, canvas.height);
    gl.uniform2f(where("fit"), M.zoom * least / canvas.width, M.zoom * least / canvas.height);
    gl.uniform3f(where("size"), ...scaleOf(mesh));
    gl.uniformMatrix3fv(where("turn"), false, [0, 1, 2].flatMap((c) => [0, 1, 2].map((row) => r[row][c])));
    gl.enableVertexAttribArray(0);
    for (const [points, faces, kind, count, type, colour, plain] of [
      [one.points, one.faces, gl.TRIANGLES, one.count, one.type, mesh.colour, 0],
      [one.corners, one.edges, gl.LINES, 24, gl.UNSIGNED_SHORT, "#8a93a3", 1]]) {
      gl.bindBuffer(gl.ARRAY_BUFFER, points); gl.vertexAttribPointer(0, 3, gl.UNSIGNED_SHORT, true, 6, 0);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, faces);
      gl.uniform3f(where("colour"), ...[1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16) / 255));
      gl.uniform1f(where("flat_"), plain); gl.drawElements(kind, count, type, 0);
    }
  };
}
function painter(canvas) {
  const pen = canvas.getContext("2d"), loaded = new Map();
  const load = (n) => {
    if (!loaded.has(n)) {
      const mesh = D.meshes[n];
      loaded.set(n, [new Uint16Array(bytes(mesh.points)), mesh.wide ? new Uint32Array(bytes(mesh.faces)) : new Uint16Array(bytes(mesh.faces))]);
    }
    return loaded.get(n);
  };
  return () => {
    const mesh = D.meshes[M.n], [points, faces] = load(M.n), size = scaleOf(mesh), r = rotation(), count = points.length / 3;
    const flat = new Float32Array(points.length), half = Math.min(canvas.width, canvas.height) / 2 * M.zoom;
    for (let i = 0; i < count; i++) {
      const p = [0, 1, 2].map((a) => (points[3 * i + a] / 65535 - 0.5) * size[a]);
      for (let a = 0; a < 3; a++) flat[3 * i + a] = r[a][0] * p[0] + r[a][1] * p[1] + r[a][2] * p[2];
    }
    const step = Math.max(1, Math.ceil(mesh.triangles / 12000)), order = [];
    for (let t = 0; t < mesh.triangles; t += step) order.push([flat[3 * faces[3 * t] + 2] + flat[3 * faces[3 * t + 1] + 2] + flat[3 * faces[3 * t + 2] + 2], t]);
    order.sort((a, b) => a[0] - b[0]);
    pen.fillStyle = ink("--soft"); pen.fillRect(0, 0, canvas.width, canvas.height);
    const rgb = [1, 3, 5].map((i) => parseInt(mesh.colour.slice(i, i + 2), 16));
    for (const [, t] of order) {
      const [a, b, c] = [0, 1, 2].map((k) => 3 * faces[3 * t + k]);
      const u = [0, 1, 2].map((k) => flat[b + k] - flat[a + k]), v = [0, 1, 2].map((k) => flat[c + k] - flat[a + k]);
      const n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
      const light = 0.35 + 0.65 * Math.abs(n[2]) / (Math.hypot(...n) || 1);
      pen.fillStyle = `rgb(${rgb.map((x) => x * light | 0)})`;
      pen.beginPath();
      for (const k of [a, b, c]) pen.lineTo(canvas.width / 2 + flat[k] * half, canvas.height / 2 - flat[k + 1] * half);
      pen.fill();
    }
  };
}
function surface() {
  const canvas = $("mesh-canvas"), pick = $("mesh-scan");
  pick.append(...D.meshes.map((m, n) => make("option", { value: n }, m.scan)));
  canvas.width = 900; canvas.height = 640;
  const draw = webgl(canvas) || painter(canvas);
  const paint = () => { draw(); M.frames += 1; canvas.dataset.view = `${M.n} ${M.turn.toFixed(3)} ${M.tilt.toFixed(3)} ${M.zoom.toFixed(2)}`; };
  const about = () => {
    const m = D.meshes[M.n];
    $("mesh-about").textContent = `largest connected ${m.phase} (${short(m.share * 100)} % of it at ${short(m.edge)} µm per voxel), ` +
      `${m.triangles} triangles; box ${[...m.size].reverse().map(short).join(" × ")} µm`;
    canvas.setAttribute("aria-label", `surface of the largest connected ${m.phase} of ${m.scan}; arrow keys turn it, + and - zoom`);
  };
  pick.addEventListener("change", () => { M.n = +pick.value; about(); paint(); });
  const spin = (on) => { M.spin = on; $("mesh-spin").textContent = on ? "pause" : "turn"; };
  $("mesh-spin").addEventListener("click", () => spin(!M.spin));
  let from = null;
  canvas.addEventListener("pointerdown", (e) => { from = [e.clientX, e.clientY]; spin(false); canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener("pointermove", (e) => {
    if (!from) return;
    M.turn += (e.clientX - from[0]) * 0.01; M.tilt = Math.min(1.57, Math.max(-1.57, M.tilt + (e.clientY - from[1]) * 0.01));
    from = [e.clientX, e.clientY]; paint();
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { from = null; });
  canvas.addEventListener("keydown", (e) => {
    const moves = { ArrowLeft: [-0.1, 0, 1], ArrowRight: [0.1, 0, 1], ArrowUp: [0, -0.1, 1], ArrowDown: [0, 0.1, 1], "+": [0, 0, 1.15], "-": [0, 0, 1 / 1.15] };
    if (!(e.key in moves)) return;
    e.preventDefault(); spin(false);
    const [turn, tilt, zoom] = moves[e.key];
    M.turn += turn; M.tilt += tilt; M.zoom *= zoom; paint();
  });
  let seen = true;
  new IntersectionObserver((found) => { seen = found[0].isIntersecting; }).observe(canvas);
  const frame = () => { if (M.spin && seen && !document.hidden) { M.turn += 0.006; paint(); } requestAnimationFrame(frame); };
  spin(M.spin); about(); paint(); redraw.push(paint); requestAnimationFrame(frame);
}

// ---- plots -------------------------------------------------------------------------------------------------
const W = 360, H = 230, L = 52, R = 10, T = 8, B = 40, NS = "http://www.w3.org/2000/svg";
const svg = (tag, given, text) => {
  const one = document.createElementNS(NS, tag);
  for (const [key, value] of Object.entries(given)) one.setAttribute(key, value);
  if (text !== undefined) one.textContent = text;
  return one;
};
function ticks(low, high) {
  const step0 = (high - low) / 4, power = 10 ** Math.floor(Math.log10(step0));
  const step = [1, 2, 5, 10].map((s) => s * power).find((s) => s >= step0), made = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) made.push(+v.toPrecision(12));
  return made;
}
const marks = ["M-3.4-3.4h6.8v6.8h-6.8z", "M-3.9 0a3.9 3.9 0 1 0 7.8 0a3.9 3.9 0 1 0 -7.8 0z", "M0-4.4l4.2 7.4h-8.4z", "M0-4.8l4.4 4.8l-4.4 4.8l-4.4-4.8z"];
const off = new Set();
function tip(words, event) {
  const box = $("tip");
  box.hidden = !words;
  if (!words) return;
  box.textContent = words;
  const r = event.target.getBoundingClientRect();
  box.style.left = `${Math.min(r.left + scrollX, scrollX + innerWidth - 310)}px`;
  box.style.top = `${r.bottom + scrollY + 6}px`;
}
function chart(home, lines, xName, yName) {
  const all = lines.flatMap((l) => l.points);
  home.replaceChildren();
  if (!all.length) { home.append(make("p", { className: "mut" }, "no value on this axis")); return; }
  const xs = all.map((p) => p.x), ys = all.flatMap((p) => [p.y - (p.u || 0), p.y + (p.u || 0)]);
  let [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(0, ...ys), Math.max(...ys)];
  if (x0 === x1) { x0 -= 0.5; x1 += 0.5; } if (y0 === y1) { y1 = y0 + 1; }
  const px = 0.05 * (x1 - x0), X = (v) => L + (v - x0 + px) / (x1 - x0 + 2 * px) * (W - L - R), top = y1 + 0.06 * (y1 - y0);
  const Y = (v) => H - B - (v - y0) / (top - y0) * (H - B - T);
  const plot = svg("svg", { class: "plot", viewBox: `0 0 ${W} ${H}`, role: "group", "aria-label": yName });
  for (const v of ticks(y0, top)) plot.append(svg("line", { class: "grid", x1: L, x2: W - R, y1: Y(v), y2: Y(v) }), svg("text", { x: L - 6, y: Y(v) + 4, "text-anchor": "end" }, short(v)));
  for (const v of ticks(x0, x1)) plot.append(svg("line", { class: "axis", x1: X(v), x2: X(v), y1: H - B, y2: H - B + 4 }), svg("text", { x: X(v), y: H - B + 16, "text-anchor": "middle" }, short(v)));
  plot.append(svg("path", { class: "axis", d: `M${L} ${T}V${H - B}H${W - R}` }), svg("text", { x: (L + W - R) / 2, y: H - 6, "text-anchor": "middle" }, xName));
  const dots = [];
  for (const line of lines) {
    const colour = `var(--c${line.f % 7})`;
    const path = line.points.map((p, n) => `${n && !p.gap ? "L" : "M"}${X(p.x).toFixed(1)} ${Y(p.y).toFixed(1)}`).join("");
    plot.append(svg("path", { d: path, fill: "none", stroke: colour, "stroke-width": 1.4, "stroke-dasharray": line.dash || "none" }));
    for (const p of line.points) {
      if (p.u) plot.append(svg("path", { d: `M${X(p.x)} ${Y(p.y - p.u)}V${Y(p.y + p.u)}`, stroke: colour, "stroke-width": 1.2, opacity: 0.6 }));
      if (line.bare) continue;
      const dot = svg("path", { d: marks[line.f % 4], transform: `translate(${X(p.x)} ${Y(p.y)})`, fill: "var(--bg)", stroke: colour, "stroke-width": 1.6, role: "img", tabindex: dots.length ? -1 : 0, "aria-label": p.words });
      for (const [on, name] of [[1, "pointerenter"], [0, "pointerleave"], [1, "focus"], [0, "blur"]]) dot.addEventListener(name, (e) => tip(on ? p.words : "", e));
      dots.push(dot); plot.append(dot);
    }
    if (line.bare) plot.lastChild.append(svg("title", {}, line.words));
  }
  plot.addEventListener("keydown", (e) => {
    const n = dots.indexOf(document.activeElement), to = n + ({ ArrowRight: 1, ArrowLeft: -1 })[e.key];
    if (n >= 0 && dots[to]) { e.preventDefault(); dots[n].setAttribute("tabindex", -1); dots[to].setAttribute("tabindex", 0); dots[to].focus(); }
  });
  home.append(plot);
}
function linesOf(plot, x) {
  const groups = new Map();
  for (const [f, cell, cycle, half, capacity, value, u, scan] of plot.rows) {
    if (off.has(f)) continue;
    const at = x === "cycle" ? cycle : half === x ? capacity : null;
    if (at === null || at === undefined) continue;
    const key = x === "cycle" ? cell : `${cell} ${cycle}`;
    if (!groups.has(key)) groups.set(key, { f, points: [], dash: x === "cycle" ? "2 3" : "" });
    const y = value * plot.factor, e = u === null ? null : u * plot.factor;
    groups.get(key).points.push({ x: at, y, u: e, words: `${short(y)}${e ? ` ± ${short(e)}` : ""} ${mu(plot.shown)}: ${scan || cell}, cycle ${cycle}, ${half}${capacity === null ? "" : `, ${short(capacity)} mAh/g_Si`}` });
  }
  for (const one of groups.values()) one.points.sort((a, b) => a.x - b.x);
  return [...groups.values()];
}
function profileLines(plot) {
  const dashes = ["", "5 3", "2 2", "6 2 1 2"], cycles = [...new Set(plot.rows.map((r) => r.cycle))].sort((a, b) => a - b);
  return plot.rows.filter((r) => !off.has(r.f)).map((r) => {
    let gap = false;
    const points = [];
    r.y.forEach((y, n) => { if (y === null) { gap = true; return; } points.push({ x: r.x[n], y: y * plot.factor, u: null, gap }); gap = false; });
    return { f: r.f, points, bare: true, dash: dashes[cycles.indexOf(r.cycle) % 4], words: r.scan };
  });
}
function plots() {
  const home = $("plot-cards"), cards = [];
  for (const plot of [...D.plots, ...D.profiles]) {
    const inner = make("div");
    home.append(make("article", { className: "card" }, make("h3", {}, plot.words, make("small", {}, plot.shown ? ` / ${mu(plot.shown)}` : "")), inner));
    cards.push([plot, inner]);
  }
  const show = () => { for (const [plot, inner] of cards) plot.coordinate ? chart(inner, profileLines(plot), mu(plot.coordinate), plot.words) : chart(inner, linesOf(plot, $("plot-x").value), $("plot-x").selectedOptions[0].textContent, plot.words); };
  $("plot-key").append(...D.formulations.map((name, f) => {
    const box = make("input", { type: "checkbox", checked: true });
    box.addEventListener("change", () => { box.checked ? off.delete(f) : off.add(f); show(); });
    return make("label", { className: "on" }, box, make("span", { className: "swatch", style: `background:var(--c${f % 7})` }), name);
  }));
  $("plot-x").addEventListener("change", show);
  $("plot-x").value = D.axis;
  show();
}

theme(dark.matches ? "dark" : "light");
for (const [name, table] of Object.entries(D.tables)) showTable(name, table);
if (D.stacks.length) slices();
if (D.meshes.length) surface();
plots();
document.documentElement.dataset.ready = "yes";
