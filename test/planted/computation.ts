/** Errors in gradients, kernels and the compiler of kernels. */
import { plantsOf } from './plant.js';

export const gradients = plantsOf({
  'src/math/ops/elementwise': [
    ['scale(cotangent, -1)', 'scale(cotangent, 1)', 'd(a - b)/db has the wrong sign', 'ops'],
    [
      '[multiply(cotangent, b), multiply(cotangent, a)]',
      '[multiply(cotangent, a), multiply(cotangent, b)]',
      'the factors of a product are not exchanged',
      'ops',
    ],
    [
      'scale(multiply(overB, node), -1)',
      'scale(multiply(overB, node), 1)',
      'd(a / b)/db has the wrong sign',
      'ops',
    ],
    [
      'scale(divide(cotangent, node), 0.5)',
      'scale(divide(cotangent, node), 2)',
      'the root is halved the wrong way',
      'ops',
    ],
    ['multiply(cotangent, node)', 'multiply(cotangent, node.inputs[0])', 'x stands for e^x', 'ops'],
    ['subtract(b, a)', 'subtract(a, b)', 'the gradient goes to the smaller number', 'ops'],
    ['affine(larger, -1, 1)', 'positive(subtract(a, b))', 'the gradient of equal numbers is lost', 'ops'],
  ],
  'src/math/ops/activate': [
    ['slope: [1, 0, -1]', 'slope: [1, 0, 1]', "tanh' is 1 + y^2", 'ops'],
    ['slope: [0, 1, -1]', 'slope: [0, 1, 1]', "sigmoid' is y (1 + y)", 'ops'],
    [
      'at(one, select(y, position))',
      'at(slopes[0], select(y, position))',
      'the slope of the first function stands for all where one is relu',
      'ops',
    ],
  ],
  'src/math/ops/polynomial': [
    'coefficient * (i + 1)',
    'coefficient * i',
    'the exponent of the derivative is off by one',
    'ops',
  ],
  'src/math/ops/select': [
    'stack([cotangent], [attributes.position], x.shape[0])',
    'stack([cotangent], [0], x.shape[0])',
    'the cotangent of a slice goes to the first',
    'ops',
  ],
  'src/math/ops/stack': [
    'positions.map(at => select(cotangent, at))',
    'positions.map((_at, i) => select(cotangent, i))',
    'the number of a part stands for its position',
    'ops',
  ],
  'src/math/ops/transpose': [
    '[transpose(cotangent, inverse(axes))]',
    '[transpose(cotangent, axes)]',
    'the order of axes is not inverted (right for two axes)',
    'ops',
  ],
  'src/math/ops/contract': [
    ', cotangent, y), contract(',
    ', cotangent, x), contract(',
    'the wrong operand is contracted (same shapes often)',
    'ops',
  ],
  'src/math/ops/log_sum_exp': [
    'multiply(softmax, broadcast(cotangent, x.shape, axes))',
    'softmax',
    'the cotangent is forgotten',
    'ops',
  ],
  'src/math/ops/index': [
    'if (positions.length === 0 || positions.some(at => parts.has(at)))',
    'if (positions.length === 0)',
    'two cotangents of one slice become one',
    'ops',
  ],
  'src/math/graph/differentiate': [
    ['list.push(cotangent);', 'list[0] = cotangent;', 'of several readers only one gives a cotangent', 'ops'],
    [
      'node.inputs.some(input => found.has(input))',
      'found.has(node.inputs[0])',
      'only the first input is looked at for dependence',
      'ops',
      'reference',
    ],
  ],
  'src/math/graph/node': [
    "JSON.stringify(attributes) ?? ''",
    "''",
    'nodes that differ in attributes become one',
    'ops',
  ],
});

export const kernels = plantsOf({
  'src/math/ops/activate': [
    ['Math.exp(-$', 'Math.exp($', 'sigmoid of -x', 'ops'],
    [', 10), -10))', ', 8), -1))', 'tanh is clamped where it still changes', 'ops'],
  ],
  'src/math/ops/polynomial': [
    'while (--degree > 0)',
    'while (--degree > 1)',
    'one coefficient is left out',
    'ops',
  ],
  'src/math/ops/select': [
    'writer.parameter(position)',
    'writer.parameter(Math.max(position - 1, 0))',
    'the neighbouring slice is read',
    'ops',
  ],
  'src/math/ops/stack': [
    'inputs[positions.indexOf(at)]',
    'inputs[at]',
    'parts are stacked without gaps',
    'ops',
  ],
  'src/math/ops/sum': [
    'index[keep.indexOf(axis)]',
    'index[Math.min(axis, keep.length - 1)]',
    "the input's axis stands for the result's",
    'ops',
  ],
  'src/math/ops/transpose': [
    [
      'x(inverse(axes).map(at => index[at]))',
      'x(axes.map(at => index[at]))',
      'the order of axes is not inverted',
      'ops',
    ],
    [
      'axes.map(axis => before[axis])',
      'before.map(axis => axes[axis])',
      'two orders are composed the wrong way round',
      'ops',
    ],
  ],
  'src/math/ops/broadcast': [
    'x(axes.map(axis => index[axis]))',
    'x(axes.map((_axis, i) => index[i]))',
    'the input lies along the first axes',
    'ops',
  ],
  'src/math/ops/one_hot': [
    'Math.max(1 - Math.abs(',
    'Math.max(2 - Math.abs(',
    'neighbouring classes count too',
    'ops',
  ],
  'src/math/ops/log_sum_exp': [
    '])} - $',
    '])}) / Math.exp($',
    'exponentials of large values overflow',
    'ops',
  ],
  'src/engine/source': [
    [
      'this.loop(extent, 1, variable',
      'this.loop(extent, 2, variable',
      'a maximum passes over the second value',
      'ops',
    ],
    ['index.join()', "''", 'a fused value at one index stands for it at another', 'ops'],
  ],
  'src/engine/fuse': [
    [
      'MAX_ARRAY_ARGUMENTS = 7',
      'MAX_ARRAY_ARGUMENTS = 8',
      'a kernel reads one array more than WebGPU guarantees',
      'ops',
    ],
    [
      'nodes.filter(node => node.op && !inlined.has(node))',
      'nodes.filter(node => node.op && !inlined.has(node)).reverse()',
      'kernels run before what they read',
      'ops',
    ],
  ],
  'src/engine/plan': ["node.shape.join('x')", "''", 'kernels of other outputs become one', 'ops'],
  'src/engine/lint': [
    [
      'high >= shape[axis]',
      'high > shape[axis]',
      'the lint lets a read pass that is one beyond the end',
      'lint',
    ],
    [
      'high: to - 1, integer: true',
      'high: to - 2, integer: true',
      'the lint forgets the last round of a loop',
      'lint',
    ],
    ['high: symbols - 1', 'high: symbols - 2', 'the lint forgets the last symbol', 'lint'],
  ],
});

export const compiler = plantsOf({
  'src/engine/simd-values': [
    [
      'this.addGathered(gathered, row);',
      'this.addGathered(gathered, 0);',
      'all rows of a tile read the row of the table that the first one reads',
      'simd',
    ],
    ['this.addGathered(index.gathered, row);', '', 'the index of an index is left out', 'simd'],
    [
      '[0, x, 2 * x, 3 * x]',
      '[0, x, 2 * x, 2 * x]',
      'the last lane has the integers of the one before',
      'simd',
    ],
    ['lane * along * FLOAT_BYTES', 'lane * FLOAT_BYTES', 'strided reads are contiguous', 'simd'],
    ['y ? row : 0', '0', 'all rows of a tile take what was loaded for the first', 'simd'],
  ],
  'src/engine/simd-lower': [
    [
      'gathered.push({ index: this.gatheredIndex(array, one), stride })',
      'gathered.push({ index: this.gatheredIndex(array, one), stride: 1 })',
      'a symbol picks an element instead of a row',
      'simd',
    ],
    ['union(all, index.varies)', 'all', 'what is gathered is loaded once for all rows', 'simd'],
    ['JSON.stringify(this.locals) === before', 'true', 'what a loop adds is not known to vary', 'simd'],
    [
      'stride *= parameter.extents[axis];',
      'stride *= parameter.extents[parameter.extents.length - 1 - axis];',
      'the axes of an array are taken in the wrong order',
      'simd',
    ],
  ],
  'src/engine/simd-pack': [
    ['gathered.length > 0 || ', '', 'gathered rows are packed as if they were the first', 'simd'],
    ['stride *= to;', 'stride *= to - 1;', 'packed columns of nested loops overlap', 'simd'],
    ['next += bytes;', 'next += bytes - 16;', 'packed columns overlap', 'simd'],
  ],
  'src/engine/simd-tile-code': [
    [
      'row * extents.x * FLOAT_BYTES',
      'row * (extents.x + 1) * FLOAT_BYTES',
      'rows of a tile are stored one cell too far',
      'simd',
    ],
    [
      'lane < lanes; lane++',
      'lane < LANES; lane++',
      'the end of a row is stored over the next, or over a neighbour',
      'simd',
    ],
    ["['z', extents.x * extents.y]", "['z', extents.x]", 'slices of the output overlap', 'simd'],
    [
      "this.f.op('i32.or');",
      "this.f.op('i32.add').op('i32.eq').i32(0).op('i32.or');",
      'a case of several numbers is malformed',
      'simd',
    ],
  ],
  'src/engine/simd-pointers': [
    '.i32(from * step)',
    '.i32(0)',
    'loops that begin above zero read from the first element',
    'simd',
  ],
  'src/engine/simd-tile': [
    [
      'const larger = extent - count * least;',
      'const larger = count;',
      'pieces reach beyond the extent',
      'simd',
    ],
    [
      'Math.floor((extent - whole) / LANES)',
      'Math.ceil((extent - whole) / LANES)',
      'a last vector that is not whole is stored whole',
      'simd',
    ],
    [
      "if (branchesAlong(ir.body, 'y'))",
      "if (branchesAlong(ir.body, 'z'))",
      'all rows of a tile take the branch of the first',
      'simd',
    ],
  ],
  'src/engine/simd-passes': [
    [
      "operation === 'subtract', varies)",
      'false, varies)',
      'a product is added where it is to be taken away',
      'simd',
    ],
    ["['z', x * y],", "['z', x],", 'a slice is finished from the sums of another', 'simd'],
  ],
  'src/engine/simd-functions': [
    [
      ".op('f32x4.mul').op('f32x4.neg')",
      ".op('f32x4.mul')",
      'separate arithmetic adds a product where it is to be taken away',
      'simd',
    ],
    [
      "? 'f32x4.relaxed_nmadd'",
      "? 'f32x4.relaxed_madd'",
      'fused arithmetic adds a product where it is to be taken away',
      'simd',
    ],
    ['0.16666576646360912', '0.1666576646360912', 'a digit of a coefficient of e^x is lost', 'simd'],
    ['const EXP_MOST = 89;', 'const EXP_MOST = 88;', 'e^x saturates before float32 does', 'simd'],
    ['f.get(x).bits(0x80000000)', 'f.get(d).bits(0x80000000)', 'tanh is never negative', 'simd'],
    [
      'const TANH_BEND = 0.625;',
      'const TANH_BEND = 0.825;',
      'the polynomial of tanh is used beyond its fit',
      'simd',
    ],
    [
      'f.constant(MANTISSA_BITS)',
      'f.constant(MANTISSA_BITS - 1)',
      'logarithms of subnormal numbers are off by ln 2',
      'simd',
    ],
  ],
  'src/engine/kernel-check': [
    'return one.every((value, i) => Object.is(value, other[i]));',
    'return one.length === other.length;',
    'whatever is computed at 256 bits is trusted',
    'miscompilation',
  ],
  'src/engine/link': [
    'place.until < i &&',
    'place.until <= i &&',
    'a kernel writes over what it reads',
    'ops',
    'models',
  ],
  'src/engine/linked-executable': [
    ['place.set(result());', '', 'of two results that are one array, the second is not written', 'linked'],
    ['    copy.set(values);\n', '', 'inputs outside the heap are zeros', 'ops'],
  ],
});
