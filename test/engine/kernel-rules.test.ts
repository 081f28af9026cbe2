/** The rules of kernels: each refuses a kernel that breaks it and accepts the nearest other one. */
import '../support/quick.js';
import t from 'tap';
import { lowerKernel } from '../../src/engine/kernels.js';
import type { Parameter } from '../../src/engine/simd-lower.js';

const PARAMETERS: readonly Parameter[] = [
  { name: 'a', type: 'array', extents: [6, 4] },
  { name: 'v', type: 'array', extents: [6] },
  { name: 'u', type: 'array', extents: [3] },
  { name: 'w', type: 'array', extents: [6], symbols: 4 },
  { name: 'p', type: 'integer', value: 3 },
  { name: 'f', type: 'float' },
];

function check(body: string): void {
  const source = `function (${PARAMETERS.map(({ name }) => name).join(', ')}) {\n${body}\n}`;
  lowerKernel({ source, parameters: PARAMETERS, extents: { x: 6, y: 4, z: 1 } }).check(PARAMETERS);
}

const accepted = [
  'return a[this.thread.y][this.thread.x];',
  'return a[p][this.thread.x];',
  'return v[this.thread.y + 2];',
  'return v[this.thread.x + this.thread.z];',
  'return a[w[this.thread.y]][this.thread.x];',
  'return a[w[w[this.thread.y]]][0];',
  'let s = 0;\nfor (let k = 1; k < 6; k++) { s += v[k] * a[0][k]; }\nreturn s;',
  'let s = 0;\nif (this.thread.y === 0) { s = v[0]; } else { s = f; }\nreturn s;',
  'return Math.tanh(Math.max(Math.min(f, 80), -80));',
  // a loop that never runs reads nothing
  'let s = 0;\nfor (let k = 7; k < 7; k++) { s += v[k]; }\nreturn s;',
];

const refused: [body: string, message: RegExp][] = [
  ['return v[this.thread.x + 1];', /index 0 of 'v' reaches 1\.\.6, the axis has 0\.\.5/],
  ['return v[this.thread.x - 1];', /index 0 of 'v' reaches -1\.\.4/],
  ['return v[this.thread.x * 2];', /reaches 0\.\.10/],
  ['return v[p * 2];', /reaches 6\.\.6/],
  ['return a[this.thread.x][this.thread.y];', /index 0 of 'a' reaches 0\.\.5, the axis has 0\.\.3/],
  ['return a[p + 1][0];', /index 0 of 'a' reaches 4\.\.4/],
  ['let s = 0;\nfor (let k = 0; k < 7; k++) { s += v[k]; }\nreturn s;', /reaches 0\.\.6/],
  ['let s = 0;\nif (this.thread.y === 0) { s = v[6]; } else { s = 0; }\nreturn s;', /reaches 6\.\.6/],
  ['let s = 0;\nif (this.thread.y === 0) { s = 0; } else { s = v[6]; }\nreturn s;', /reaches 6\.\.6/],
  ['let s = 0;\ns += v[6];\nreturn s;', /reaches 6\.\.6/],
  ['const s = v[6];\nreturn s;', /reaches 6\.\.6/],
  ['return Math.max(0, v[6]);', /reaches 6\.\.6/],
  ['return a[w[this.thread.y + 3]][0];', /index 0 of 'w' reaches 3\.\.6/],
  ['return u[w[0]];', /index 0 of 'u' reaches 0\.\.3, the axis has 0\.\.2/],
  ['return a[v[0]][0];', /index 0 of 'a' is not an integer/],
  ['return a[w[0] / 2][0];', /index 0 of 'a' is not affine/],
  ['return v[0.5];', /index 0 of 'v' is not affine/],
  ['return v[f];', /index 0 of 'v' is not affine/],
  ['return v[this.thread.x / 1];', /index 0 of 'v' is not affine/],
  ['let k = 0;\nk = f;\nreturn v[k];', /index 0 of 'v' is not affine/],
  ['return a[0];', /'a' has 2 axes and is read with 1 indices/],
  ['return v[0][0];', /'v' has 1 axes and is read with 2 indices/],
  ['return f[0];', /'f' is not an array/],
  ['return g;', /'g' is not a number/],
  ['s = 1;\nreturn 0;', /'s' cannot be assigned/],
  ['let s = 0;\nfor (let k = 0; k < 2; k++) { const d = 1; s += d; }\nreturn s + d;', /'d' is not a number/],
  ['return Math.tanh(f);', /the argument of tanh is not bounded to \+-80/],
  ['return Math.tanh(Math.min(f, 10));', /not bounded/],
  ['return Math.tanh(Math.max(f, -10));', /not bounded/],
  ['return Math.tanh(Math.max(Math.min(f, 81), -10));', /not bounded/],
  ['return Math.tanh(Math.max(Math.min(f, 10), -81));', /not bounded/],
  ['let x = 0;\nx = f;\nreturn Math.tanh(x);', /not bounded/],
];

t.test('kernels that follow the rules are accepted', async t => {
  for (const body of accepted) t.doesNotThrow(() => check(body), body);
});

t.test('kernels that break a rule are refused with the name of the rule', async t => {
  for (const [body, message] of refused) t.throws(() => check(body), { name: 'KernelError', message }, body);
});
