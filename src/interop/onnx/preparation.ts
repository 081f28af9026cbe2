/**
 * The preparation of a run's data (`data/core/preparation.ts`) in ONNX: fills, indicators, elapsed
 * times, categories and scaling. Scaling computes in float64, as training does.
 */
import type { Feature } from '../../data/core/preparation.js';
import { type DataRecord, type DataScaling, featuresOf, type Preparation } from '../../data/index.js';
import { ELEMENT_TYPES, type GraphWriter, type Value, type ValueInfo } from './writer.js';

/** What the model reads of steps, [T, B, ...], or of sequences, [B, ...]. */
export interface Features {
  /** [..., F], absent if no feature is a number. */
  readonly numbers?: Value | undefined;
  /** [...] each, int64 */
  readonly symbols: readonly Value[];
}

export interface Prepared {
  readonly steps: Features;
  readonly sequence: Features;
}

export interface Columns {
  /** [T, B, C], NaN if a value is missing. */
  readonly steps: Value;
  /** [B, C] of columns with one value per sequence. */
  readonly sequence: Value | undefined;
  /** [1], int64: B */
  readonly batch: Value;
}

export function writePreparation(
  graph: GraphWriter,
  { steps, sequence, batch }: Columns,
  {
    data: { preparation, input },
    scaling,
  }: { readonly data: DataRecord; readonly scaling: DataScaling | undefined },
): Prepared {
  const scaled = ({ numbers, symbols }: Features, first: number, count: number): Features => {
    const features = scaling?.features;
    if (!features || numbers === undefined) return { numbers, symbols };
    const list = (values: readonly number[]) =>
      graph.tensor(Float64Array.from(values.slice(first, first + count)), [count]);
    const exact = graph.add('Cast', [numbers], { to: ELEMENT_TYPES.double });
    const shifted = graph.add('Sub', [exact, list(features.offset)]);
    const divided = graph.add('Div', [shifted, list(features.scale)]);
    return { numbers: graph.add('Cast', [divided], { to: ELEMENT_TYPES.float }), symbols };
  };
  if (input.kind !== 'number') throw new Error('symbols are not prepared');
  if (!preparation) {
    const ofSequence = input.static ?? 0;
    const ofSteps = input.size - ofSequence;
    return {
      steps: scaled({ numbers: steps, symbols: [] }, 0, ofSteps),
      sequence: scaled({ numbers: sequence, symbols: [] }, ofSteps, ofSequence),
    };
  }
  const firstStatic = preparation.columns.filter(column => !column.static).length;
  const features = featuresOf(preparation);
  const part = (isStatic: boolean) =>
    features.filter(({ column }) => (preparation.columns[column].static ?? false) === isStatic);
  const [ofSteps, ofSequence] = [part(false), part(true)];
  const written = new ColumnWriter(graph, preparation, steps, { first: 0, end: firstStatic, batch });
  const numbersOf = (list: readonly Feature[]) => list.filter(({ kind }) => kind !== 'number').length;
  return {
    steps: scaled(written.features(ofSteps), 0, numbersOf(ofSteps)),
    sequence:
      sequence === undefined
        ? { symbols: [] }
        : scaled(
            new ColumnWriter(graph, preparation, sequence, { first: firstStatic }).features(ofSequence),
            numbersOf(ofSteps),
            numbersOf(ofSequence),
          ),
  };
}

/** Columns of steps, from `first` to `end`, or, without a `batch`, those of sequences. */
interface ColumnRange {
  readonly first: number;
  readonly end?: number;
  readonly batch?: Value;
}

class ColumnWriter {
  private readonly isMissing: Value;
  private readonly filled: Value;
  private readonly elapsed: Value | undefined;
  private readonly columns: Preparation['columns'];

  constructor(
    private readonly graph: GraphWriter,
    preparation: Preparation,
    private readonly values: Value,
    private readonly range: ColumnRange,
  ) {
    this.columns = preparation.columns.slice(range.first, range.end);
    this.isMissing = graph.add('IsNaN', [values]);
    const fitted = Float32Array.from(this.columns, ({ fill }) => fill?.value ?? Number.NaN);
    const fills = graph.tensor(fitted, [fitted.length]);
    const isScanned = this.columns.some(({ fill, elapsed }) => fill?.forward || elapsed);
    [this.filled, this.elapsed] =
      range.batch !== undefined && isScanned
        ? this.scan(fills, range.batch)
        : [graph.add('Where', [this.isMissing, fills, values]), undefined];
  }

  features(features: readonly Feature[]): Features {
    const { graph, range } = this;
    const isEmbedded = ({ kind }: Feature) => kind === 'number';
    const at = ({ column }: Feature) => column - range.first;
    const groups: Feature[][] = [];
    for (const feature of features.filter(one => !isEmbedded(one))) {
      const last = groups.at(-1)?.[0];
      const isLike =
        last?.kind === feature.kind && (feature.kind !== 'category' || last.column === feature.column);
      if (isLike) groups.at(-1)?.push(feature);
      else groups.push([feature]);
    }
    const numbers = groups.map(group => {
      const [{ kind }] = group;
      if (kind === 'category') {
        const categories = Float32Array.from(group, ({ category = -1 }) => category);
        const list = graph.tensor(categories, [categories.length]);
        return this.float(graph.add('Equal', [this.category(at(group[0])), list]));
      }
      const own = graph.integers(group.map(at));
      const pick = (values: Value) => graph.add('Gather', [values, own], { axis: -1 });
      if (kind === 'value') return pick(this.filled);
      const missing = this.float(pick(this.isMissing));
      if (kind === 'missing') return missing;
      // of a sequence, which is one step, no time has passed
      return this.elapsed ? pick(this.elapsed) : graph.add('Mul', [missing, graph.number(0)]);
    });
    return {
      ...(numbers.length > 0 && {
        numbers: numbers.length === 1 ? numbers[0] : graph.add('Concat', numbers, { axis: -1 }),
      }),
      symbols: features.filter(isEmbedded).map(feature => this.symbol(at(feature))),
    };
  }

  private float(value: Value): Value {
    return this.graph.add('Cast', [value], { to: ELEMENT_TYPES.float });
  }

  /** [..., 1], the position of a value among the categories of its column, of others any other. */
  private category(column: number): Value {
    const { graph, columns } = this;
    const own = graph.add('Gather', [this.values, graph.integers([column])], { axis: -1 });
    const ofMissing = (columns[column].categories ?? []).indexOf('');
    if (ofMissing < 0) return own;
    return graph.add('Where', [graph.add('IsNaN', [own]), graph.number(ofMissing), own]);
  }

  /** [...], the row of a value in its embedding. */
  private symbol(column: number): Value {
    const { graph, columns } = this;
    const place = graph.add('Squeeze', [this.category(column), graph.integers([-1])]);
    const count = columns[column].categories?.length ?? 0;
    const isKnown = graph.add('And', [
      graph.add('GreaterOrEqual', [place, graph.number(0)]),
      graph.add('Less', [place, graph.number(count)]),
    ]);
    const row = graph.add('Add', [place, graph.number(1)]);
    const known = graph.add('Where', [isKnown, row, graph.number(0)]);
    return graph.add('Cast', [known], { to: ELEMENT_TYPES.int64 });
  }

  /** Filled values and elapsed times [T, B, C], step by step. */
  private scan(fills: Value, batch: Value): [filled: Value, elapsed: Value] {
    const { graph: outer, columns } = this;
    const graph = outer.subgraph();
    const count = columns.length;
    const info = (name: string, size: number): ValueInfo => ({
      name: graph.fresh(name),
      type: 'float',
      shape: ['batch', size],
    });
    const [fill, before, isLater] = [info('fill', count), info('elapsed', count), info('later', 1)];
    const x = info('columns', count);
    const isMissing = graph.add('IsNaN', [x.name]);
    const filled = graph.add('Where', [isMissing, fill.name, x.name]);
    const forward = Float32Array.from(columns, ({ fill: own }) => Number(own?.forward ?? false));
    const isForward = graph.add('Greater', [outer.tensor(forward, [count]), outer.number(0)]);
    const time = columns.findIndex(column => column.time);
    const passed =
      time < 0 ? outer.number(1) : graph.add('Gather', [x.name, outer.integers([time])], { axis: -1 });
    const elapsed = graph.add('Mul', [graph.add('Add', [passed, before.name]), isLater.name]);
    const results: readonly (readonly [ValueInfo, Value])[] = [
      [info('next_fill', count), graph.add('Where', [isForward, filled, fill.name])],
      [info('next_elapsed', count), graph.add('Where', [isMissing, elapsed, outer.number(0)])],
      [
        info('next_later', 1),
        graph.add('Add', [graph.add('Mul', [isLater.name, outer.number(0)]), outer.number(1)]),
      ],
      [info('filled', count), filled],
      [info('since', count), elapsed],
    ];
    for (const [{ name }, value] of results) graph.output(value, name);
    const rows = (size: number) => outer.add('Concat', [batch, outer.integers([size])], { axis: 0 });
    const body = {
      graph,
      inputs: [fill, before, isLater, x],
      outputs: results.map(([one]) => one),
    };
    const initial = [
      outer.add('Expand', [fills, rows(count)]),
      outer.add('ConstantOfShape', [rows(count)]),
      outer.add('ConstantOfShape', [rows(1)]),
    ];
    const outputs = outer.addAll('Scan', [...initial, this.values], { body, num_scan_inputs: 1 }, 5);
    return [outputs[3], outputs[4]];
  }
}
