import { loadModel } from 'cellrun';

// the run directory is all it needs
const model = await loadModel(process.argv[2]);

// whole sequences: each step a list of numbers, or an object by the names of the features
const monday = [{ speed: 3.1, heart_rate: 148 }, [3.4, 155]];
const recordings = [{ id: 'monday', steps: monday }, [[2.9, 143]]];
for await (const { index, id, predictions } of model.predict(recordings))
  console.log(index, id, predictions[0]);

// a live stream: each prediction uses the steps so far
const session = model.session();
for (const step of monday) console.log(await session.step(step));

await model.close();
