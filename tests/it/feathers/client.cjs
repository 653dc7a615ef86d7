// The public clients against a running server: one scenario a run, told on the standard streams.
// Never a stand-in for them: what they revive, reject and do again by themselves is what is tested.
'use strict';

const assert = require('node:assert/strict');
const readline = require('node:readline');
const { io } = require('socket.io-client');
const { feathers } = require('@feathersjs/feathers');
const socketio = require('@feathersjs/socketio-client').default;
const rest = require('@feathersjs/rest-client').default;
const authentication = require('@feathersjs/authentication-client').default;
const errors = require('@feathersjs/errors');

const { URL, TOKEN, OTHER, TRANSPORTS, PASSWORD } = process.env;
const transports = TRANSPORTS.split('+');

// The public client signs in again behind a lost connection, and rejects unseen when it may not.
process.on('unhandledRejection', (error) => {
  if (!(error instanceof errors.FeathersError)) throw error;
});

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (line) => process.stdout.write(`${line}\n`);
const heard = async (line) => assert.equal((await lines.next()).value, line);

const open = (more = {}) =>
  io(URL, { transports, upgrade: transports.length > 1, reconnectionDelay: 50, forceNew: true, ...more });
const once = (socket, name) => new Promise((done) => socket.once(name, done));
const emitted = (socket, ...all) =>
  new Promise((done) => socket.emit(...all, (error, result) => done([error, result])));

// Settled on its last transport.
async function settled(socket) {
  if (!socket.connected) await once(socket, 'connect');
  const last = transports[transports.length - 1];
  if (socket.io.engine.transport.name !== last) {
    await new Promise((done) => socket.io.engine.once('upgrade', done));
  }
  assert.equal(socket.io.engine.transport.name, last);
}

function application(socket) {
  const app = feathers();
  app.configure(socketio(socket, { timeout: 20000 }));
  app.configure(authentication());
  return app;
}

async function rejected(promise, kind) {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof kind, `${error.name} ${error.message}`);
    assert.equal(typeof error.code, 'number');
    return error;
  }
  return assert.fail(`no ${kind.name}`);
}

const signIn = (app, token = TOKEN) => app.authenticate({ strategy: 'jwt', accessToken: token });
const unknown = (app) => rejected(app.service('nothing').find(), errors.NotFound);
const guest = (app) => rejected(app.service('nothing').find(), errors.NotAuthenticated);

const scenarios = {
  // Signing in and out, and what is refused.
  async calls() {
    const socket = open();
    await settled(socket);
    const { id } = socket;
    const app = application(socket);
    await guest(app);
    await rejected(signIn(app, 'made.up.token'), errors.NotAuthenticated);
    const entered = await signIn(app);
    assert.equal(entered.accessToken, TOKEN);
    assert.equal(entered.authentication.strategy, 'jwt');
    const missing = await unknown(app);
    assert.equal(missing.data.code, 'not_found');
    assert.ok(!missing.stack.includes('.rs:'));
    const [odd] = await emitted(socket, 'dance', 'nothing', {});
    assert.equal(odd.name, 'NotFound');
    const [wrong] = await emitted(socket, 'find', 'nothing', 'text');
    assert.deepEqual([wrong.name, wrong.data.field], ['BadRequest', 'query']);
    const [more] = await emitted(socket, 'find', 'nothing', {}, {});
    assert.equal(more.name, 'BadRequest');
    const [taken] = await emitted(socket, 'find', 'authentication', {});
    assert.deepEqual([taken.name, taken.code], ['MethodNotAllowed', 405]);
    const [bytes] = await emitted(socket, 'create', 'nothing', { raw: Buffer.from('abc') });
    assert.equal(bytes.name, 'BadRequest');
    await app.logout();
    await guest(app);
    assert.ok(socket.connected);
    assert.equal(socket.id, id, 'the socket stays when its client signs out');
    socket.disconnect();
  },

  // The services themselves, by each way to sign in; `OTHER` is a key that may look.
  async ways() {
    const socket = open();
    await settled(socket);
    const app = application(socket);
    const entered = await app.authenticate({ strategy: 'local', email: 'ada', password: PASSWORD });
    assert.equal(entered.user.name ?? entered.user.username ?? 'ada', 'ada');
    assert.ok(!JSON.stringify(entered).includes('argon2'));
    const page = await app.service('sessions').find({ query: { $limit: 1 } });
    assert.deepEqual([page.total, page.limit, page.skip, page.data], [0, 1, 0, []]);
    await rejected(app.service('sessions').get('00000000-0000-4000-8000-000000000000'), errors.NotFound);
    const wrong = await rejected(app.service('sessions').find({ query: { nothing: 1 } }), errors.BadRequest);
    assert.equal(typeof wrong.data.field, 'string');
    const [, renewed] = await emitted(socket, 'create', 'authentication/refresh', {
      refreshToken: entered.refreshToken,
    });
    assert.ok(renewed.accessToken);
    assert.equal((await app.service('sessions').find()).total, 0);
    const [again] = await emitted(socket, 'create', 'authentication', {
      strategy: 'local', email: 'ada', password: 'made up',
    });
    assert.equal(again.name, 'NotAuthenticated');
    assert.equal((await app.service('sessions').find()).total, 0, 'who was signed in stays so');
    socket.disconnect();

    const keyed = open();
    await settled(keyed);
    const looks = application(keyed);
    await looks.authenticate({ strategy: 'api-key', apiKey: OTHER });
    assert.equal((await looks.service('sessions').find()).total, 0);
    const scope = await rejected(looks.service('sessions').create({}), errors.Forbidden);
    assert.equal(scope.data.code, 'missing_scope');
    keyed.disconnect();
  },

  // Many at once, and large ones: each is answered.
  async load() {
    const socket = open();
    await settled(socket);
    const app = application(socket);
    await signIn(app);
    await Promise.all(Array.from({ length: 200 }, () => unknown(app)));
    await rejected(app.service('nothing').create({ text: 'ä'.repeat(100000) }), errors.NotFound);
    const text = '\u001e"\\\n'.repeat(20000);
    await rejected(app.service('nothing').create({ text }), errors.NotFound);
    socket.disconnect();
  },

  // A token in the handshake.
  async handshake() {
    const body = open({ auth: { token: TOKEN } });
    await once(body, 'connect');
    await unknown(application(body));
    body.disconnect();
    const header = open({ extraHeaders: { Authorization: `Bearer ${TOKEN}` } });
    await once(header, 'connect');
    await unknown(application(header));
    header.disconnect();
    for (const more of [{ auth: { token: 'made.up.token' } }, { auth: { token: 7 } }]) {
      const refused = open(more);
      const error = await once(refused, 'connect_error');
      assert.ok([400, 401].includes(error.data.code), error.message);
      refused.disconnect();
    }
    const other = io(`${URL}/admin`, { transports, forceNew: true });
    assert.equal((await once(other, 'connect_error')).message, 'Invalid namespace');
    other.disconnect();
  },

  // The services, by this transport and over REST: both do and tell the same.
  async services() {
    const socket = open();
    await settled(socket);
    const live = application(socket);
    const plain = feathers().configure(rest(URL).fetch(fetch)).configure(authentication());
    const local = { strategy: 'local', email: 'ada@example.org', password: PASSWORD };
    for (const [app, other] of [[live, plain], [plain, live]]) {
      for (const one of [app, other]) {
        assert.equal((await one.authenticate(local)).user.email, local.email);
      }
      const made = await app.service('sessions').create({ agentic_tool: 'script', title: 'ü' });
      const id = made.session_id;
      assert.deepEqual([made.status, made.title], ['idle', 'ü']);
      const sent = await app.service(`sessions/${id}/prompt`).create({ prompt: 'hello' });
      assert.equal(sent.success, true);
      let task;
      do task = await app.service('tasks').get(sent.task_id);
      while (!['completed', 'failed'].includes(task.status));
      assert.equal(task.status, 'completed');
      const query = { session_id: id, status: { $in: ['completed', 'failed'] }, $limit: 1, $sort: { created_at: -1 } };
      const found = await app.service('tasks').find({ query });
      assert.deepEqual([found.total, found.limit, found.data[0].task_id], [1, 1, sent.task_id]);
      const either = { $or: [{ session_id: id }, { title: 'none' }], archived: false, $select: ['title'] };
      const listed = await app.service('sessions').find({ query: either });
      assert.deepEqual(listed.data, [{ session_id: id, title: 'ü' }]);
      let seen;
      do seen = await app.service('sessions').get(id);
      while (!seen.ready_for_prompt);
      assert.deepEqual(await other.service('sessions').get(id), seen);
      const queue = await app.service(`sessions/${id}/tasks/queue`).find();
      assert.equal(queue.total, 0);
      const tree = await app.service(`sessions/${id}/genealogy`).find();
      assert.equal(tree.session.session_id, id);
      const patched = await app.service('sessions').patch(id, { permission_config: { mode: 'yolo' } });
      assert.equal(patched.permission_config.mode, 'bypassPermissions');
      const people = await app.service('users').find({ query: {} });
      assert.deepEqual(people.data.map((one) => one.email), [local.email]);
      const bad = await rejected(app.service('tasks').find({ query: { none: 1 } }), errors.BadRequest);
      assert.deepEqual([bad.data.code, bad.data.field], ['bad_query', 'none']);
      await rejected(app.service('sessions').update(id, {}), errors.MethodNotAllowed);
      assert.equal((await app.service('sessions').remove(id)).session_id, id);
      await rejected(other.service('sessions').get(id), errors.NotFound);
    }
    socket.disconnect();
  },

  // A call that panics.
  async panic() {
    const socket = open({ auth: { token: TOKEN } });
    await once(socket, 'connect');
    const app = application(socket);
    say('ready');
    await heard('armed');
    const error = await rejected(app.service('nothing').find(), errors.GeneralError);
    assert.equal(error.code, 500);
    assert.ok(!error.message.includes('socket.call'), error.message);
    await unknown(app);
    socket.disconnect();
  },

  // The server goes away and comes back; the client signs in again by itself.
  async restart() {
    const socket = open();
    await settled(socket);
    const app = application(socket);
    await signIn(app);
    await unknown(app);
    const lost = once(socket, 'disconnect');
    say('ready');
    await lost;
    await once(socket, 'connect');
    await unknown(app);
    socket.disconnect();
  },

  // The token is revoked.
  async revoked() {
    const socket = open();
    await settled(socket);
    const app = application(socket);
    await signIn(app);
    const lost = once(socket, 'disconnect');
    say('ready');
    const started = Date.now();
    await lost;
    say(`cut ${Date.now() - started}`);
    await once(socket, 'connect');
    const [error] = await emitted(socket, 'find', 'nothing', {});
    assert.equal(error.name, 'NotAuthenticated');
    socket.disconnect();
  },

  // Where people point; a guest neither tells nor hears.
  async cursors() {
    const [ada, bob, nobody] = [open({ auth: { token: TOKEN } }), open({ auth: { token: OTHER } }), open()];
    await Promise.all([ada, bob, nobody].map((socket) => once(socket, 'connect')));
    for (const socket of [ada, nobody]) {
      socket.onAny((name) => assert.fail(`${name} was heard`));
    }
    const moved = once(bob, 'cursor-moved');
    nobody.emit('cursor-move', { boardId: 'b', x: 9, y: 9 });
    ada.emit('cursor-move', { boardId: 'b', x: 1, y: 2, timestamp: 3, userId: 'made up' });
    const { userId, ...rest } = await moved;
    assert.deepEqual(rest, { boardId: 'b', x: 1, y: 2, timestamp: 3 });
    assert.match(userId, /^[0-9a-f-]{36}$/);
    const left = once(bob, 'cursor-left');
    ada.emit('cursor-leave', { boardId: 'b', timestamp: 4 });
    assert.deepEqual(await left, { userId, boardId: 'b', timestamp: 4 });
    // What was heard before an answer would have come before it.
    await Promise.all([ada, nobody].map((socket) => emitted(socket, 'find', 'nothing', {})));
    for (const socket of [ada, bob, nobody]) socket.disconnect();
  },
};

scenarios[process.argv[2]]().then(
  () => {
    say('done');
    process.exit(0);
  },
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
