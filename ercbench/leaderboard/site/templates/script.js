// Sorts, filters and opens what the page already holds, and keeps the view in the address. Nothing is fetched.
'use strict';
(() => {
const some = (selector, root = document) => root.querySelector(selector);
const every = (selector, root = document) => [...root.querySelectorAll(selector)];
const counted = new Intl.NumberFormat('en');
const limit = Number(some('main').dataset.limit);
const form = some('form.filters');
const tables = every('.frame > table').map(read);
const rows = tables.flatMap(table => table.groups.flatMap(group => group.entries));
document.documentElement.classList.add('js');
if (!form) return;

// A table: its columns, and per group of rows (ranked, few seeds, ...) the rows with what each opens.
function read(element) {
  const table = { element, columns: every('thead th', element), sorted: null, limit, frame: element.closest('.task') };
  table.showAll = some('details.all', table.frame);
  table.groups = [...element.tBodies].map(body => ({
    body,
    entries: every(':scope > tr.row', body).map((row, place) => {
      const next = row.nextElementSibling;
      return { row, place, table, more: next?.matches('tr.more') ? next : null, shown: true };
    }),
  }));
  return table;
}

// ---- Sorting: a button in every heading; groups stay apart, rows without a value stand last.
function value(entry, column) {
  const cell = entry.row.cells[column];
  const text = cell.dataset.v ?? cell.textContent.trim();
  if (entry.table.columns[column].dataset.order === 'text') return text.toLowerCase();
  const number = parseFloat(text);
  return Number.isNaN(number) ? null : number;
}
function sort(table, key, direction) {
  const column = table.columns.findIndex(heading => heading.dataset.key === key);
  if (column < 0 || !['ascending', 'descending'].includes(direction)) return;
  const sign = direction === 'ascending' ? 1 : -1;
  const compare = (a, b) => {
    if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.place - b.place;
    return sign * (a.value < b.value ? -1 : a.value > b.value ? 1 : 0) || a.place - b.place;
  };
  for (const { body, entries } of table.groups) {
    for (const entry of entries) entry.value = value(entry, column);
    entries.sort(compare);
    const next = body.nextSibling;
    body.remove(); // a row that moves inside the page costs ten times one that moves outside
    for (const { row, more } of entries) more ? body.append(row, more) : body.append(row);
    table.element.insertBefore(body, next);
  }
  for (const heading of table.columns) heading.removeAttribute('aria-sort');
  table.columns[column].setAttribute('aria-sort', direction);
  table.sorted = [key, direction];
  if (table.select) table.select.value = key;
  cut(table);
}
const firstDirection = heading => (heading.dataset.order === 'number' ? 'descending' : 'ascending');
function addButtons(table) {
  const label = document.createElement('label');
  table.select = document.createElement('select');
  label.className = 'order';
  label.append('Sort by', table.select);
  for (const heading of table.columns) {
    const title = heading.firstElementChild;
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = title.textContent;
    button.addEventListener('click', () => {
      const now = heading.getAttribute('aria-sort');
      const turned = now === 'ascending' ? 'descending' : 'ascending';
      sort(table, heading.dataset.key, now ? turned : firstDirection(heading));
      remember();
    });
    title.replaceWith(button);
    table.select.add(new Option(button.textContent, heading.dataset.key));
  }
  table.select.addEventListener('change', () => {
    const heading = table.columns.find(one => one.dataset.key === table.select.value);
    sort(table, heading.dataset.key, firstDirection(heading));
    remember();
  });
  const now = table.columns.find(heading => heading.hasAttribute('aria-sort'));
  table.first = [now.dataset.key, now.getAttribute('aria-sort')];
  table.select.value = table.first[0];
  table.element.parentElement.before(label);
}

// ---- A long table shows its first hundred rows, then ten times as many at a time: all at once can be too many.
function cut(table) {
  if (!table.showAll) return;
  let seen = 0;
  for (const { entries } of table.groups) {
    for (const { row, shown } of entries) row.classList.toggle('beyond', shown && ++seen > table.limit);
  }
  const next = Math.min(seen, 10 * table.limit);
  const all = next === seen ? 'all' : `${counted.format(next)} of`;
  table.showAll.hidden = seen <= table.limit;
  some('summary', table.showAll).textContent = `Show ${all} ${counted.format(seen)} rows`;
}

// ---- Filtering.
function wanted() {
  const given = new FormData(form);
  const boxes = every('[name=status]', form);
  return {
    words: (given.get('q') ?? '').toLowerCase().split(/\s+/).filter(Boolean),
    track: given.get('track') ?? '',
    context: given.get('context') ?? '',
    status: boxes.some(box => !box.checked) ? new Set(given.getAll('status')) : null,
  };
}
function matches(entry, { words, track, context, status }) {
  const { row, table } = entry;
  if (track && (row.dataset.track ?? table.element.dataset.track) !== track) return false;
  if (context && (row.dataset.context ?? table.element.dataset.context) !== context) return false;
  if (status && !status.has(row.dataset.status)) return false;
  if (!words.length) return true;
  entry.text ??= row.textContent.toLowerCase();
  return words.every(word => entry.text.includes(word));
}
function filter() {
  const want = wanted();
  let total = 0;
  for (const table of tables) {
    let inTable = 0;
    for (const { body, entries } of table.groups) {
      let inGroup = 0;
      for (const entry of entries) {
        entry.shown = matches(entry, want);
        entry.row.hidden = !entry.shown;
        if (entry.more) entry.more.hidden = !entry.shown;
        inGroup += entry.shown;
      }
      body.hidden = !inGroup;
      inTable += inGroup;
    }
    table.frame.hidden = !inTable;
    total += inTable;
    cut(table);
  }
  for (const part of every('section.data')) part.hidden = every('.task', part).every(task => task.hidden);
  const all = rows.length === total;
  some('output', form).textContent = `${all ? '' : `${counted.format(total)} of `}${counted.format(rows.length)} rows`;
  some('button[type=reset]', form).hidden = all && !want.words.length;
  some('.nothing').hidden = total > 0;
}

// ---- The view in the address: #track=mini&status=verified&q=word&sort=table.column.direction&open=row&rows=table.1000
const opened = () => every('details.open[open]').map(one => one.closest('tr').id);
function remember() {
  const view = new URLSearchParams();
  for (const name of ['q', 'track', 'context']) {
    const text = (form.elements[name]?.value ?? '').trim();
    if (text) view.set(name, text);
  }
  const { status } = wanted();
  if (status) view.set('status', [...status].join(' '));
  for (const { element, sorted, first, limit: shown } of tables) {
    if (sorted && sorted.join() !== first.join()) view.append('sort', [element.id, ...sorted].join('.'));
    if (shown > limit) view.append('rows', `${element.id}.${shown}`);
  }
  for (const id of opened()) view.append('open', id);
  const text = view.toString();
  if (text !== location.hash.slice(1)) history.replaceState(null, '', text ? `#${text}` : location.pathname + location.search);
}
function open(id, scroll) {
  const row = document.getElementById(id);
  const details = row?.matches('tr.row') ? some('details.open', row) : null;
  if (details) details.open = true;
  if (row && scroll) row.scrollIntoView({ block: 'start' });
  return Boolean(details);
}
function recall() {
  const hash = location.hash.slice(1);
  if (hash && !hash.includes('=')) {
    filter();
    if (open(hash, true)) remember();
    return;
  }
  const view = new URLSearchParams(hash);
  for (const name of ['q', 'track', 'context']) {
    if (form.elements[name]) form.elements[name].value = view.get(name) ?? '';
  }
  const status = (view.get('status') ?? '').split(' ');
  const boxes = every('[name=status]', form);
  const known = boxes.some(box => status.includes(box.value));
  for (const box of boxes) box.checked = !known || status.includes(box.value);
  const byTable = name => new Map(view.getAll(name).map(one => [one.split('.')[0], one.split('.').slice(1)]));
  const [orders, limits] = [byTable('sort'), byTable('rows')];
  for (const table of tables) {
    const order = orders.get(table.element.id) ?? (table.sorted && table.first);
    if (order && order.join() !== table.sorted?.join()) sort(table, ...order);
    table.limit = Math.max(limit, Number.parseInt(limits.get(table.element.id), 10) || 0);
  }
  filter();
  const ids = view.getAll('open');
  for (const details of every('details.open[open]')) details.open = ids.includes(details.closest('tr').id);
  ids.forEach((id, number) => open(id, number === 0));
}

// ---- What happens.
let waiting;
const later = () => { clearTimeout(waiting); waiting = setTimeout(remember, 200); };
form.addEventListener('input', () => { filter(); later(); });
form.addEventListener('submit', event => event.preventDefault());
form.addEventListener('reset', () => setTimeout(() => { filter(); remember(); }));
some('.nothing button')?.addEventListener('click', () => form.reset());
document.addEventListener('toggle', later, true);
addEventListener('hashchange', recall);
document.addEventListener('click', async event => {
  const copy = event.target.closest('.copy');
  if (copy) return void copyText(copy);
  if (event.target.closest('a, button, summary, .more, select, input') || getSelection().toString()) return;
  const details = some('details.open', event.target.closest('tr.row') ?? document.createElement('i'));
  if (details) details.open = !details.open;
});
async function copyText(button) {
  const block = some('pre', button.parentElement);
  try {
    await navigator.clipboard.writeText(every('code', block).map(code => code.textContent).join('\n'));
    button.textContent = 'Copied';
  } catch {
    getSelection().selectAllChildren(block);
    button.textContent = 'Selected';
  }
  setTimeout(() => { button.textContent = 'Copy'; }, 2000);
}
tables.forEach(addButtons);
for (const table of tables.filter(one => one.showAll)) {
  table.showAll.addEventListener('click', event => {
    event.preventDefault();
    table.limit *= 10;
    cut(table);
    remember();
  });
}
form.hidden = false;
recall();
})();
