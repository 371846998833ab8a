@echo off
rem Every application may be greeted.
exit /b 0
