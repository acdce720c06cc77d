"""Speed and memory, measured as ratios on the same work in one run: ``python -m benchmarks``.

``naive.py`` is the released training loop, re-created plainly; ``parts/`` measures ours beside it. The figures go to
``results/latest.json``, and ``docs/generate.py`` puts them into ``docs/explanation/performance.md``.
"""
