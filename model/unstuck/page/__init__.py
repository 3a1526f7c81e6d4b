"""The browser page: up to three copies of one stuck patient side by side, live (`unstuck view`).

plan.py says what is asked for, and the link that asks it; prescribe.py makes a treatment file of it;
copies.py and session.py are the patients of one browser tab; wire.py tells the canvas; page.py and
view.vue are the page, and serve.py serves it.
"""
