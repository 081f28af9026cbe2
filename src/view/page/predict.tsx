/** The page of a service of predictions: one types or drops an input and sees the prediction. */
import { render } from 'preact';
import { useCallback, useState } from 'preact/hooks';
import type { ServedModel } from '../../serve/service.js';
import { Select } from '../components/components.js';
import { type Predict, Predictor, problemOf } from './predictor.js';

function Page({ models }: { readonly models: readonly ServedModel[] }) {
  const [model, setModel] = useState(models[0]);
  const { name } = model;
  const predict = useCallback<Predict>((given, signal) => ask(name, given, signal), [name]);
  return (
    <>
      <h1>Predictions</h1>
      {models.length > 1 && (
        <p>
          <Select
            label="Model"
            value={models.indexOf(model)}
            options={models.map(({ name }, i) => [i, name])}
            change={value => setModel(models[Number(value)])}
          />
        </p>
      )}
      <Predictor model={model} predict={predict} />
    </>
  );
}

/** @param given steps, or the bytes of a WAV file */
async function ask(model: string, given: unknown, signal: AbortSignal): ReturnType<Predict> {
  const isSound = given instanceof ArrayBuffer;
  const headers = { 'Content-Type': isSound ? 'audio/wav' : 'application/json' };
  const body = isSound ? given : JSON.stringify({ model, steps: given });
  const address = isSound ? `predict?${new URLSearchParams({ model })}` : 'predict';
  try {
    const answer = await (await fetch(address, { method: 'POST', headers, body, signal })).json();
    return 'error' in answer ? problemOf(answer.error, answer.problems) : { prediction: answer };
  } catch (error) {
    if (signal.aborted) throw error;
    return { problem: 'the service does not answer' };
  }
}

async function start(): Promise<void> {
  const root = document.getElementById('page');
  const answer = await fetch('models');
  const { models } = (await answer.json()) as { readonly models: readonly ServedModel[] };
  root?.replaceChildren();
  if (root) render(<Page models={models} />, root);
}

void start();
