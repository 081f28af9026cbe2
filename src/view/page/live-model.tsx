/** The model in a report: one changes an input and sees the prediction move. */
import { useEffect, useState } from 'preact/hooks';
import type * as served from '../../interop/js/served.js';
import type { UserError } from '../../util/errors.js';
import type { RunReport } from '../run-report.js';
import { Section } from './components.js';
import { tableIn } from './inputs.js';
import { Predictor, type PredictorProps, problemOf } from './predictor.js';

/** What the script of the model declares. */
type Live = typeof served & { readonly module: served.Module };
type ModelFacts = served.ModelFacts;
type Sequence = Parameters<typeof served.predictedLine>[1];

const NOTE = 'Change the input and see the prediction move. The model is in this page, which sends nothing.';

export function LiveModel({ report }: { readonly report: RunReport }) {
  const { model } = report;
  if (model === null) return null;
  return (
    <Section title="Try the model" note={model.left_out ?? NOTE}>
      {model.left_out === null && <Opened report={report} />}
    </Section>
  );
}

function Opened({ report }: { readonly report: RunReport }) {
  const [props, setProps] = useState<PredictorProps>();
  const [problem, setProblem] = useState<string>();
  // after the page is drawn: it takes a moment
  useEffect(() => {
    try {
      setProps(propsOf(Reflect.get(globalThis, 'openModel')(), report));
    } catch (error) {
      setProblem(`This browser cannot run the model: ${error}`);
    }
  }, [report]);
  if (problem !== undefined) return <p class="alert">{problem}</p>;
  return props ? <Predictor {...props} /> : null;
}

function propsOf({ module, factsOf, predictedLine }: Live, report: RunReport): PredictorProps {
  const model = factsOf(module);
  const { image, input } = module.model.data;
  const isPermuted = report.config.some(({ value }) => value === 'permuted_pixels');
  let last: Promise<unknown> = Promise.resolve();
  return {
    model,
    example: startOf(report.evaluation?.example ?? '', model),
    image: image && input.kind === 'number' && !isPermuted ? { ...image, perStep: input.size } : undefined,
    pauseMs: 0,
    // of the inputs that come while it computes, only the last one is predicted
    predict: (steps, signal) => {
      const turn = last.then(async () => {
        signal.throwIfAborted();
        try {
          return { prediction: JSON.parse(await predictedLine(module, steps as Sequence)) };
        } catch (error) {
          const { message, diagnostics } = error as Error & Partial<UserError>;
          return problemOf(message, diagnostics);
        }
      });
      last = turn.catch(() => {});
      return turn;
    },
  };
}

/** The example if the model reads its columns: those of dates are not in it. */
function startOf(example: string, { input, columns }: ModelFacts): string {
  if (input !== 'numbers') return example;
  const { names, rows } = tableIn(example);
  if (names && columns) return columns.every(name => names.includes(name)) ? example : '';
  return rows.map(row => row.join()).join('\n');
}
